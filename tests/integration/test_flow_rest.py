"""The REST routes of flows, on the real database."""

import base64
import io
import json
import zipfile
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.test import Client

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("empty")]

FLOW = """\
# a comment that must survive
id: hello
namespace: tests.rest
labels:
  team: a
inputs:
  - id: name
    type: STRING
    defaults: world
tasks:
  - id: say
    type: io.kestra.plugin.core.log.Log
    message: hello {{ inputs.name }}
"""


class Rest:
    def __init__(self) -> None:
        get_user_model().objects.create_superuser("root", password="correct horse")
        secret = base64.b64encode(b"root:correct horse").decode()
        self.client = Client(headers={"authorization": f"Basic {secret}"})

    def call(self, method: str, path: str, body: Any = None, content_type: str = "", **extra: Any) -> Any:
        if isinstance(body, dict | list):
            body, content_type = json.dumps(body), "application/json"
        return self.client.generic(
            method, f"/api/v1/{path}", body or b"", content_type or "application/x-yaml", **extra
        )

    def post(self, path: str, body: Any = None, content_type: str = "") -> Any:
        return self.call("POST", path, body, content_type)

    def get(self, path: str, **extra: Any) -> Any:
        return self.call("GET", path, **extra)

    def create(self, flow_id: str, namespace: str = "tests.rest") -> Any:
        answer = self.post("flows", FLOW.replace("hello\n", f"{flow_id}\n", 1).replace("tests.rest", namespace))
        assert answer.status_code == 200, answer.content
        return answer.json()


@pytest.fixture
def rest() -> Rest:
    return Rest()


def test_a_created_flow_keeps_its_text_to_the_letter(rest: Rest) -> None:
    created = rest.post("flows", FLOW)
    assert created.status_code == 200, created.content
    assert created.json()["source"] == FLOW
    assert created.json()["revision"] == 1
    assert created.json()["labels"] == [{"key": "team", "value": "a"}]
    shown = rest.get("flows/tests.rest/hello").json()
    assert "source" not in shown
    assert shown["inputs"] == [{"id": "name", "type": "STRING", "defaults": "world", "required": True}]
    assert shown["disabled"] is False and shown["deleted"] is False
    assert rest.get("flows/tests.rest/hello?source=true").json()["source"] == FLOW


def test_the_tenant_and_other_yaml_content_types_are_the_same(rest: Rest) -> None:
    assert rest.post("main/flows", FLOW, "application/yaml").status_code == 200
    assert rest.post("flows/validate", FLOW, "text/yaml").json()[0].get("constraints") is None


def test_a_second_create_of_the_same_id_is_refused(rest: Rest) -> None:
    rest.create("hello")
    again = rest.post("flows", FLOW)
    assert again.status_code == 422
    assert "Flow id already exists" in again.json()["message"]


def test_an_update_makes_a_revision_only_when_the_text_changed(rest: Rest) -> None:
    rest.create("hello")
    assert rest.call("PUT", "flows/tests.rest/hello", FLOW).json()["revision"] == 1
    changed = FLOW.replace("world", "moon")
    assert rest.call("PUT", "flows/tests.rest/hello", changed).json()["revision"] == 2
    listed = rest.get("flows/tests.rest/hello/revisions").json()
    assert [one["source"] for one in listed] == [FLOW, changed]
    assert rest.get("flows/tests.rest/hello?revision=1&source=true").json()["source"] == FLOW
    assert rest.get("flows/tests.rest/hello?revision=9").status_code == 404


def test_an_update_cannot_rename_or_find_nothing(rest: Rest) -> None:
    assert rest.call("PUT", "flows/tests.rest/hello", FLOW).status_code == 404
    rest.create("hello")
    renamed = rest.call("PUT", "flows/tests.rest/hello", FLOW.replace("id: hello", "id: bye"))
    assert renamed.status_code == 422
    assert "flow.id" in renamed.json()["message"]


def test_if_match_refuses_an_update_of_another_revision(rest: Rest) -> None:
    rest.create("hello")
    etag = rest.get("flows/tests.rest/hello").headers["ETag"]
    assert rest.get("flows/tests.rest/hello", headers={"if-none-match": etag}).status_code == 304
    other = rest.call("PUT", "flows/tests.rest/hello", FLOW + "\n", headers={"if-match": '"7"'})
    assert other.status_code == 412
    same = rest.call("PUT", "flows/tests.rest/hello", FLOW + "\n", headers={"if-match": etag})
    assert same.status_code == 200


def test_a_deleted_flow_is_gone_but_can_be_read_and_made_again(rest: Rest) -> None:
    rest.create("hello")
    assert rest.call("DELETE", "flows/tests.rest/hello").status_code == 204
    assert rest.call("DELETE", "flows/tests.rest/hello").status_code == 404
    assert rest.get("flows/tests.rest/hello").status_code == 404
    assert rest.get("flows/tests.rest/hello?allowDeleted=true").json()["deleted"] is True
    assert rest.get("flows/tests.rest").json() == []
    assert rest.create("hello")["revision"] == 3


def test_an_invalid_flow_is_refused_with_path_line_and_column(rest: Rest) -> None:
    answer = rest.post("flows", FLOW.replace("    message", "    massage"))
    assert answer.status_code == 422
    body = answer.json()
    assert body["message"].startswith('Invalid entity: Unrecognized field "massage"')
    error = next(one for one in body["_embedded"]["errors"] if "massage" in one["message"])
    assert (error["path"], error["line"], error["column"]) == ("tasks[0].massage", 13, 5)


def test_an_unknown_type_is_named_with_near_matches(rest: Rest) -> None:
    answer = rest.post("flows", FLOW.replace("log.Log", "log.Logg"))
    assert answer.status_code == 422
    assert "Invalid type: io.kestra.plugin.core.log.Logg" in answer.json()["message"]
    assert "did you mean io.kestra.plugin.core.log.Log?" in answer.json()["message"]


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("[" * 100_000, "nested deeper"),
        ("a" * 11_000_000, "larger than"),
        ("id: a\nid: b\n", "Duplicate field 'id'"),
        ("id: !!python/object/apply:os.system [ls]\n", "is not allowed"),
        ("", "must be a flow"),
        ("- a\n", "expected a map"),
        ("\x00", "Invalid YAML"),
    ],
    ids=["brackets", "11 MB", "duplicate key", "tag", "empty", "list", "nul"],
)
def test_hostile_bodies_are_refused_with_a_reason(rest: Rest, body: str, reason: str) -> None:
    answer = rest.post("flows", body)
    assert answer.status_code == 422
    assert reason in answer.json()["message"]


def test_a_body_that_is_no_utf8_or_no_json_is_refused(rest: Rest) -> None:
    assert rest.post("flows", b"id: \xff\xfe").status_code == 422
    assert rest.post("flows", "{", "application/json").status_code == 422
    assert rest.post("flows", "[" * 100_000, "application/json").status_code == 422


def test_a_flow_in_json_becomes_readable_yaml(rest: Rest) -> None:
    text = "\n \n a         \nb\nc"
    tasks = [{"id": "t", "type": "io.kestra.plugin.core.debug.Return", "format": text}]
    body = {"id": "j", "namespace": "tests.rest", "tasks": tasks, "labels": {"a": "b"}}
    created = rest.post("flows", body)
    assert created.status_code == 200, created.content
    assert created.json()["labels"] == [{"key": "a", "value": "b"}]
    assert "format: |2-" in created.json()["source"]
    assert rest.get("flows/tests.rest/j").json()["tasks"][0]["format"] == text


def test_a_namespace_is_made_to_hold_exactly_the_given_flows(rest: Rest) -> None:
    def flow(flow_id: str, label: str = "x", namespace: str = "tests.sync") -> dict[str, Any]:
        task = {"id": "t", "type": "io.kestra.plugin.core.debug.Return", "format": label}
        return {"id": flow_id, "namespace": namespace, "tasks": [task]}

    assert len(rest.post("flows/tests.sync", [flow("f1"), flow("f2"), flow("f3")]).json()) == 3
    answer = rest.post("flows/tests.sync", [flow("f3", "y"), flow("f4")]).json()
    assert [one["id"] for one in answer] == ["f1", "f2", "f3", "f4"]
    assert [one["deleted"] for one in answer] == [True, True, False, False]
    assert {one["id"] for one in rest.get("flows/tests.sync").json()} == {"f3", "f4"}
    stranger = rest.post("flows/tests.sync", [flow("f9", namespace="tests.other")])
    assert stranger.status_code == 422 and "flow.namespace" in stranger.json()["message"]
    twice = rest.post("flows/tests.sync", [flow("f9"), flow("f9")])
    assert twice.status_code == 422 and "flow.id: Duplicate" in twice.json()["message"]
    assert {one["id"] for one in rest.get("flows/tests.sync").json()} == {"f3", "f4"}
    kept = rest.post("flows/tests.sync?delete=false", [flow("f5")])
    assert [one["id"] for one in kept.json()] == ["f5"]
    assert len(rest.get("flows/tests.sync").json()) == 3


def test_yaml_documents_keep_their_comments(rest: Rest) -> None:
    second = FLOW.replace("id: hello", "id: other")
    answer = rest.post("flows/tests.rest", f"{FLOW}---\n{second}")
    assert [one["source"] for one in answer.json()] == [FLOW, second]


def test_search_filters_pages_and_sorts(rest: Rest) -> None:
    for name in ("a", "b", "c"):
        rest.create(name)
    rest.create("d", "tests.restless")
    found = rest.get("flows/search?namespace=tests.rest&size=2&sort=id:desc").json()
    assert (found["total"], [one["id"] for one in found["results"]]) == (3, ["c", "b"])
    assert rest.get("flows/search?q=d&namespace=tests").json()["total"] == 1
    assert rest.get("flows/search?labels=team:a").json()["total"] == 4
    assert rest.get("flows/search?labels=team:b").json()["total"] == 0
    assert rest.get("flows/search?filters[namespace][EQUALS]=tests.rest").json()["total"] == 3
    assert rest.get("flows/search?filters[flowId][IN]=a,d").json()["total"] == 2
    assert rest.get("flows/search?filters[FLOW_ID][STARTS_WITH]=a").json()["total"] == 1
    assert rest.get("flows/search?sort=nope:asc").status_code == 422
    assert rest.get("flows/search?size=1001").status_code == 422
    assert rest.get("flows/search?filters[nope][EQUALS]=a").status_code == 422


def test_text_in_sources_is_found_with_its_line(rest: Rest) -> None:
    rest.create("a")
    found = rest.get("flows/source?q=must SURVIVE").json()["results"][0]
    assert found["model"]["id"] == "a"
    assert found["fragments"] == ["# a comment that [mark]must survive[/mark]"]
    assert found["matches"] == [{"line": 1, "content": "# a comment that must survive"}]


def test_namespaces_are_listed_once(rest: Rest) -> None:
    rest.create("a")
    rest.create("b")
    rest.create("c", "tests.second")
    assert rest.get("flows/distinct-namespaces").json() == ["tests.rest", "tests.second"]
    assert rest.get("flows/distinct-namespaces?q=SECOND").json() == ["tests.second"]


def test_flows_are_switched_and_deleted_by_query_and_by_ids(rest: Rest) -> None:
    rest.create("a", "tests.many")
    rest.create("b", "tests.many")
    assert rest.post("flows/disable/by-query?namespace=tests.many", {}).json() == {"count": 2}
    shown = rest.get("flows/tests.many/a?source=true").json()
    assert shown["disabled"] is True and "disabled: true" in shown["source"]
    ids = [{"namespace": "tests.many", "id": "a"}]
    assert rest.post("flows/enable/by-ids", ids).json() == {"count": 1}
    assert rest.get("flows/tests.many/a").json()["disabled"] is False
    wrong = rest.call("DELETE", "flows/delete/by-ids", [*ids, {"namespace": "tests.many", "id": "nope"}])
    assert wrong.status_code == 400
    assert rest.get("flows/tests.many/a").status_code == 200
    assert rest.call("DELETE", "flows/delete/by-query?namespace=tests.many").json() == {"count": 2}
    assert rest.get("flows/tests.many").json() == []


def test_an_export_can_be_imported_again(rest: Rest) -> None:
    rest.create("a")
    rest.create("b")
    exported = rest.get("flows/export/by-query?namespace=tests.rest").getvalue()
    with zipfile.ZipFile(io.BytesIO(exported)) as archive:
        assert archive.namelist() == ["tests.rest.a.yml", "tests.rest.b.yml"]
    rest.call("DELETE", "flows/tests.rest/a")
    upload = io.BytesIO(exported)
    upload.name = "flows.zip"
    answer = rest.client.post("/api/v1/flows/import", {"fileUpload": upload})
    assert (answer.status_code, answer.json()) == (200, [])
    assert rest.get("flows/tests.rest/a").json()["revision"] == 3
    assert rest.get("flows/tests.rest/b").json()["revision"] == 1


def test_an_import_names_the_files_that_it_refuses(rest: Rest) -> None:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr("good.yml", FLOW)
        archive.writestr("bad.yml", "id: x\n")
    content.seek(0)
    content.name = "flows.zip"
    assert rest.client.post("/api/v1/flows/import", {"fileUpload": content}).json() == ["bad.yml"]
    assert rest.get("flows/tests.rest/hello").status_code == 200
    broken = io.BytesIO(b"PK\x03\x04 no zip")
    broken.name = "flows.zip"
    assert rest.client.post("/api/v1/flows/import", {"fileUpload": broken}).status_code == 422


def test_validation_answers_for_every_document(rest: Rest) -> None:
    second = "id: x\nnamespace: tests.rest\nrevision: 7\ntasks:\n  - id: t\n    type: io.kestra.nope\n"
    answer = rest.post("flows/validate", f"{FLOW}\n---\n\n{second}").json()
    assert [one["index"] for one in answer] == [0, 1]
    assert "constraints" not in answer[0] and answer[0]["flow"] == "hello"
    assert "Invalid type: io.kestra.nope" in answer[1]["constraints"]
    assert answer[1]["outdated"] is True
    assert answer[1]["violations"][0]["line"] == 6


def test_validation_tells_what_is_deprecated(rest: Rest) -> None:
    text = FLOW.replace("plugin.core.log", "core.tasks.log")
    echo = "  - id: e\n    type: io.kestra.plugin.core.debug.Echo\n    format: x\n"
    answer = rest.post("flows/validate", text + echo).json()[0]
    assert answer["deprecationPaths"] == ["tasks[1]"]
    assert answer["infos"] == ["io.kestra.core.tasks.log.Log is replaced by io.kestra.plugin.core.log.Log"]


def test_parts_are_validated_alone(rest: Rest) -> None:
    task = {"id": "t", "type": "io.kestra.plugin.core.log.Log", "message": "strange---string"}
    assert ["constraints" in one for one in rest.post("flows/validate/task", task).json()] == [False]
    trigger = {"id": "s", "type": "io.kestra.plugin.core.trigger.Schedule"}
    (answer,) = rest.post("flows/validate/trigger", trigger).json()
    assert "cron: must not be null" in answer["constraints"]
    text = f"id: s\ntype: {trigger['type']}\n"
    assert rest.post("flows/validate/task?section=TRIGGERS", text).json()["constraints"] == answer["constraints"]


def test_one_task_is_read_and_replaced(rest: Rest) -> None:
    rest.create("hello")
    assert rest.get("flows/tests.rest/hello/tasks/say").json()["message"] == "hello {{ inputs.name }}"
    assert rest.get("flows/tests.rest/hello/tasks/nope").status_code == 404
    task = {"id": "say", "type": "io.kestra.plugin.core.log.Log", "message": "bye"}
    changed = rest.call("PATCH", "flows/tests.rest/hello/say", task).json()
    assert (changed["revision"], changed["tasks"][0]["message"]) == (2, "bye")
    assert rest.call("PATCH", "flows/tests.rest/hello/nope", task).status_code == 422
    assert rest.call("PATCH", "flows/tests.rest/hello/nope", {**task, "id": "nope"}).status_code == 404


def test_nobody_reads_or_writes_flows_without_an_account(rest: Rest) -> None:
    rest.create("hello")
    anonymous = Client()
    for path in ("flows/tests.rest/hello", "flows/search", "flows/tests.rest"):
        assert anonymous.get(f"/api/v1/{path}").status_code in (401, 403)
    assert anonymous.post("/api/v1/flows", FLOW, content_type="application/x-yaml").status_code in (401, 403)


def test_flows_and_templates_leave_as_files_and_come_back(rest: Rest) -> None:
    rest.create("hello")
    table = b"".join(rest.get("flows/export/by-query/csv").streaming_content).decode().splitlines()
    assert len(table) == 2 and table[1].startswith("hello,tests.rest,1")
    task = {"id": "t", "type": "io.kestra.plugin.core.log.Log", "message": "x"}
    template = {"id": "one", "namespace": "tests.rest", "tasks": [task]}
    assert rest.post("templates", template).status_code == 200
    archive = rest.post("templates/export/by-ids", [{"namespace": "tests.rest", "id": "one"}]).getvalue()
    assert rest.get("templates/export/by-query?namespace=tests").status_code == 200
    assert rest.call("DELETE", "templates/tests.rest/one").status_code == 204
    upload = io.BytesIO(archive)
    upload.name = "templates.zip"
    assert rest.client.post("/api/v1/templates/import", {"fileUpload": upload}).status_code == 204
    assert rest.get("templates/tests.rest/one").json()["tasks"][0]["message"] == "x"


def test_an_expression_that_cannot_work_is_a_warning_with_its_place_and_no_refusal(rest: Rest) -> None:
    source = FLOW.replace("hello {{ inputs.name }}", "hello {{ inputs.name | shout }}")
    (answer,) = rest.post("flows/validate", source).json()
    assert "constraints" not in answer
    assert answer["warnings"] == [
        f"tasks[0].message: Filter [shout] does not exist. (line {answer['advice'][0]['line']}, column 37)"
    ]
    line = source.splitlines()[answer["advice"][0]["line"] - 1]
    assert line[36:].startswith("shout")
    assert rest.post("flows", source).status_code == 200
    part = rest.post("flows/validate/task", "id: t\ntype: core.log.Log\nmessage: '{{ nope() }}'\n").json()
    assert "Function or Macro [nope]" in part["warnings"][0]
