"""Files over REST: what somebody uploaded is handed out as bytes to keep, never as a page of ours."""

from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any
from zipfile import ZIP_DEFLATED, ZipFile

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from executions.storage.base import execution_prefix, uri_of
from executions.storage.site import current as storage
from tests.integration.rest_support import Rest, stored

PAGE = b"<script>alert(document.domain)</script>"


@pytest.fixture
def rest(admin: Rest, settings: Any, tmp_path: Path) -> Rest:
    settings.CELESTA = replace(settings.CELESTA, storage=tmp_path)
    return admin


def is_harmless(answer: Any) -> None:
    """The content is read first and a missing header is None: whatever is wrong, the failure names just that."""
    content = b"".join(answer.streaming_content) if answer.streaming else answer.content
    names = ("Content-Type", "Content-Disposition", "X-Content-Type-Options", "Content-Security-Policy")
    told = {name: answer.headers.get(name) for name in names}
    assert (answer.status_code, content) == (200, PAGE)
    assert told == {
        "Content-Type": "application/octet-stream",
        "Content-Disposition": 'attachment; filename="page.html"',
        "X-Content-Type-Options": "nosniff",
        "Content-Security-Policy": "sandbox",
    }


def test_a_file_of_a_namespace_cannot_run_in_our_origin(rest: Rest) -> None:
    upload = {"fileContent": SimpleUploadedFile("page.html", PAGE, "text/html")}
    assert rest.client.post("/api/v1/namespaces/team/files?path=/page.html", upload).status_code == 200
    is_harmless(rest.get("namespaces/team/files?path=/page.html"))
    assert rest.get("namespaces/team/files?path=/../../secret_key").status_code in (404, 422)


def test_a_file_of_an_execution_cannot_run_in_our_origin(rest: Rest) -> None:
    execution = stored()
    folder = execution_prefix(execution.namespace, execution.flow_id, execution.id)
    address = uri_of(f"{folder}/page.html")
    storage().put(address, PAGE)
    is_harmless(rest.get(f"executions/{execution.id}/file?path={address}"))
    assert rest.get(f"executions/{stored().id}/file?path={address}").status_code == 422


def upload(rest: Rest, path: str, content: bytes) -> None:
    file = {"fileContent": SimpleUploadedFile("x", content)}
    assert rest.client.post(f"/api/v1/namespaces/team/files?path={path}", file).status_code == 200


def contents(rest: Rest, path: str) -> list[str]:
    """Of every revision, with its number."""
    found = [each["revision"] for each in rest.json(f"namespaces/team/files/revisions?path={path}")]
    answers = [rest.get(f"namespaces/team/files?path={path}&revision={number}") for number in found]
    texts = [b"".join(answer.streaming_content).decode() for answer in answers]
    return [f"{number}:{text}" for number, text in zip(found, texts, strict=True)]


def test_older_contents_of_a_namespace_file_can_be_read(rest: Rest) -> None:
    for content in (b"a", b"bb", PAGE):
        upload(rest, "/sub/page.html", content)
    assert contents(rest, "/sub/page.html") == ["1:a", "2:bb", f"3:{PAGE.decode()}"]
    is_harmless(rest.get("namespaces/team/files?path=/sub/page.html&revision=3"))
    old = rest.get("namespaces/team/files?path=/sub/page.html&revision=1")
    assert old["Content-Disposition"] == 'attachment; filename="page.html"'
    assert rest.json("namespaces/team/files/search?q=") == ["/sub/page.html"]
    for path, status in (("page.html&revision=4", 404), ("page.html&revision=0", 404), ("page.html&revision=x", 422)):
        assert rest.get(f"namespaces/team/files?path=/sub/{path}").status_code == status
    for path, status in (("/none", 404), ("/sub", 404), ("/../x", 422)):
        assert rest.get(f"namespaces/team/files/revisions?path={path}").status_code == status


def test_older_contents_go_where_their_file_goes(rest: Rest) -> None:
    for path in ("/a/one", "/a/two", "/old"):
        upload(rest, path, b"1")
        upload(rest, path, b"2" + path.encode())
    assert rest.call("PUT", "namespaces/team/files?from=/a&to=/b").status_code == 200
    assert contents(rest, "/b/one") == ["1:1", "2:2/a/one"]
    assert rest.call("PUT", "namespaces/team/files?from=/b/two&to=/old").status_code == 200
    assert contents(rest, "/old") == ["1:1", "2:2/old", "3:2/a/two"]
    assert rest.call("PUT", "namespaces/team/files?from=/none&to=/b/one").status_code == 404
    assert rest.call("DELETE", "namespaces/team/files?path=/b").status_code == 200
    assert rest.get("namespaces/team/files?path=/b/one&revision=1").status_code == 404
    upload(rest, "/b/one", b"new")
    assert contents(rest, "/b/one") == ["1:new"]


@pytest.mark.parametrize("route", ["file", "file/preview"])
def test_a_folder_is_no_file(rest: Rest, route: str) -> None:
    execution = stored()
    folder = execution_prefix(execution.namespace, execution.flow_id, execution.id)
    storage().put(uri_of(f"{folder}/tasks/a.txt"), b"x")
    assert rest.get(f"executions/{execution.id}/{route}?path={uri_of(f'{folder}/tasks')}").status_code == 404


def broken_zips() -> list[bytes]:
    made = BytesIO()
    with ZipFile(made, "w", ZIP_DEFLATED) as archive:
        archive.writestr("a.yml", "x: y\n" * 500)
    whole = made.getvalue()
    encrypted = bytearray(whole)
    encrypted[6] |= 1
    encrypted[whole.rindex(b"PK\x01\x02") + 8] |= 1
    start = 30 + len("a.yml")
    return [bytes(encrypted), whole[:start] + b"\xff" * 8 + whole[start + 8 :]]


@pytest.mark.parametrize("content", broken_zips())
def test_a_zip_that_cannot_be_read_is_refused(rest: Rest, content: bytes) -> None:
    upload = {"fileContent": SimpleUploadedFile("a.zip", content)}
    assert rest.client.post("/api/v1/namespaces/team/files?path=/a.zip", upload).status_code == 422
    upload = {"fileUpload": SimpleUploadedFile("a.zip", content)}
    assert rest.client.post("/api/v1/flows/import", upload).status_code == 422


def test_a_folder_is_not_moved_onto_a_file(rest: Rest) -> None:
    storage().put("kestra:///team/_files/folder/a.txt", b"x")
    storage().put("kestra:///team/_files/b.txt", b"x")
    assert rest.put("namespaces/team/files?from=/folder&to=/b.txt").status_code == 422
