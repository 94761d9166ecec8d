"""Files over REST: what somebody uploaded is handed out as bytes to keep, never as a page of ours."""

from dataclasses import replace
from pathlib import Path
from typing import Any

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
    assert answer.status_code == 200
    assert b"".join(answer.streaming_content) == PAGE
    assert answer["Content-Type"] == "application/octet-stream"
    assert answer["Content-Disposition"] == 'attachment; filename="page.html"'
    assert answer["X-Content-Type-Options"] == "nosniff"
    assert "sandbox" in answer["Content-Security-Policy"]


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
