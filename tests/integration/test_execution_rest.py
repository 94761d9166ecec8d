"""The REST routes that read, find and list executions, on the real database; actions have a file of their own."""

from datetime import UTC, datetime, timedelta
from typing import Any
from unittest.mock import patch

import pytest
from django.db import connections

from executions.api import executions
from executions.api.serialize import task_run_of_row
from flows.definition.states import State
from tests.integration.rest_support import FLOW, Rest, a_finished_run, stored

NS = "tests.rest"


@pytest.fixture
def flow(admin: Rest) -> str:
    assert admin.post("flows", FLOW).status_code == 200
    return "hello"


def ids(answer: Any) -> list[str]:
    return [one["id"] for one in answer["results"]]


def test_a_created_execution_is_read_at_once_in_every_dialect(admin: Rest, flow: str) -> None:
    created = admin.post(f"main/executions/{NS}/{flow}?labels=a:b:c&labels=d:e")
    assert created.status_code == 200, created.content
    body = created.json()
    assert body["state"]["current"] == "CREATED" and body["state"]["histories"][0]["state"] == "CREATED"
    assert {"key": "a", "value": "b:c"} in body["labels"] and {"key": "d", "value": "e"} in body["labels"]
    assert body["url"].endswith(f"/ui/executions/{NS}/{flow}/{body['id']}")
    assert body["inputs"] == {"name": "world"} and body["flowRevision"] == 1
    for prefix in ("", "main/"):
        read = admin.json(f"{prefix}executions/{body['id']}")
        assert read["id"] == body["id"] and read["originalId"] == body["id"]
        assert None not in read.values() and "taskRunList" not in read
        assert read["deleted"] is False and read["metadata"]["attemptNumber"] == 1


@pytest.mark.parametrize(
    ("path", "status", "reason"),
    [
        ("executions/nope", 404, "Not Found"),
        ("executions/4uVnqbZ0bFKZ4bXkYF4mQv", 404, "Not Found"),
        ("executions/%00", 404, "Not Found"),
        ("executions/search?size=1001", 422, "Invalid size"),
        ("executions/search?size=0", 422, "Invalid size"),
        ("executions/search?page=x", 422, "Invalid page"),
        ("executions/search?sort=password:asc", 422, "Invalid sort parameter"),
        ("executions/search?sort=namespace:sideways", 422, "Invalid sort parameter"),
        ("executions/search?labels=nocolon", 422, "Invalid queryString parameter"),
        ("executions/search?state=HAPPY", 422, "unknown state"),
        ("executions/search?timeRange=PT1H&startDate=2026-01-01", 422, "exclude each other"),
        ("executions/search?startDate=yesterday", 422, "is not a date"),
        ("executions/search?timeRange=soon", 422, "is not a duration"),
        ("executions/search?filters[colour][EQUALS]=red", 422, "supported: "),
        ("executions/search?filters[state][LIKES]=x", 422, "unknown operation"),
        ("executions/search?filters[state]=x", 422, "lacks an operation"),
        ("executions/search?filters[namespace][REGEX]=(", 422, "invalid pattern"),
        ("executions/search?filters[namespace][REGEX]=(a{1,200}){1,200}", 422, "repeats too much"),
        ("executions/search?filters[namespace][REGEX]=((a{60,}){60,}){60}", 422, "repeats too much"),
        ("executions/search?filters[namespace][REGEX]=a{99999999999}", 422, "invalid pattern"),
        ("executions?namespace=a", 400, "flowId"),
    ],
)
def test_bad_reading_is_refused_in_kestras_error_form(admin: Rest, path: str, status: int, reason: str) -> None:
    answer = admin.get(path)
    assert answer.status_code == status, answer.content
    body = answer.json()
    assert reason in body["message"]
    assert body["_links"]["self"]["href"].startswith("/api/v1/") and body["_links"]["self"]["templated"] is False
    assert body["_embedded"]["errors"]


def test_breakpoints_are_kept_and_only_who_waits_at_one_is_let_go(admin: Rest, flow: str) -> None:
    made = admin.post(f"executions/{NS}/{flow}?breakpoints=say,other.x").json()
    assert admin.json(f"executions/{made['id']}")["breakpoints"] == [{"id": "say"}, {"id": "other", "value": "x"}]
    assert admin.post(f"executions/{made['id']}/resume-from-breakpoint").status_code == 409
    waiting = stored(namespace=NS, flow_id=flow, state=State.BREAKPOINT).id
    answer = admin.post(f"executions/{waiting}/resume-from-breakpoint?breakpoints=later").json()
    assert (answer["state"]["current"], answer["breakpoints"]) == ("RESTARTED", [{"id": "later"}])


def test_pages_tell_the_total_and_follow_the_sort(admin: Rest) -> None:
    made = [stored(flow_id=f"f{number}", seconds=10 * number + 1).id for number in range(5)]
    page = admin.json("executions/search?size=2&page=2&sort=state.duration:asc")
    assert page["total"] == 5 and ids(page) == made[2:4]
    assert ids(admin.json("executions/search?sort=flowId:desc&size=1")) == [made[4]]
    assert admin.json("executions/search?page=9")["results"] == []


def test_both_filter_grammars_find_the_same(admin: Rest) -> None:
    failed = stored(namespace="a.b", flow_id="x", state=State.FAILED, labels=[{"key": "k", "value": "v"}]).id
    running = stored(namespace="a.b.c", flow_id="y", state=State.RUNNING).id
    stored(namespace="ab", flow_id="x")
    for query, found in (
        ("namespace=a.b", {failed, running}),
        ("filters[namespace][PREFIX]=a.b", {failed, running}),
        ("filters[NAMESPACE][EQUALS]=a.b", {failed}),
        ("state=FAILED&state=RUNNING&namespace=a", {failed, running}),
        ("filters[state][IN]=FAILED,KILLED", {failed}),
        ("labels=k:v", {failed}),
        ("filters[labels][EQUALS][k]=v", {failed}),
        ("filters[FLOW_ID][EQUALS]=y", {running}),
        ("filters[or][0][state][EQUALS]=FAILED&filters[or][1][flowId][EQUALS]=y", {failed, running}),
        ("filters[and][0][namespace][PREFIX]=a.b&filters[and][1][or][0][flowId][EQUALS]=x", {failed}),
        (f"q={failed}", {failed}),
        ("q=a.b.c", {running}),
        ("childFilter=CHILD", set()),
        ("timeRange=PT5M&flowId=y", {running}),
        ("filters[startDate][LESS_THAN]=2020-01-01T00:00:00Z", set()),
    ):
        page = admin.json(f"executions/search?size=100&{query}")
        assert (set(ids(page)), page["total"]) == (found, len(found)), query


def test_the_shapes_of_times_are_kestras(admin: Rest) -> None:
    start = datetime(2026, 5, 1, 10, 0, 0, tzinfo=UTC)
    ended = stored(start=start, seconds=61.5)
    state = admin.json(f"executions/{ended.id}")["state"]
    assert state["startDate"] == "2026-05-01T10:00:00Z" and state["endDate"] == "2026-05-01T10:01:01.500000Z"
    assert state["duration"] == "PT1M1.5S"
    running = admin.json(f"executions/{stored(state=State.RUNNING).id}")["state"]
    assert "endDate" not in running and running["duration"].startswith("PT")


def test_outputs_have_routes_of_their_own(admin: Rest) -> None:
    run = a_finished_run("ret", outputs={"value": "x"}, value="item", iteration=0)
    execution = stored(run, a_finished_run("quiet"), outputs={"final": 1})
    assert admin.json(f"outputs/executions/{execution.id}") == {"final": 1}
    listed = admin.json(f"main/outputs/tasks/{execution.id}")
    assert listed == [{"taskId": "ret", "taskRunId": run.id, "value": "item", "iteration": 0, "inline": True}]
    assert admin.json(f"outputs/tasks/{execution.id}/{run.id}") == {"value": "x"}
    assert admin.get(f"outputs/tasks/{execution.id}/{execution.id}").status_code == 404
    assert admin.get("outputs/tasks/nope").status_code == 404


def test_the_flow_of_an_execution_shows_ids_and_types_only(admin: Rest, flow: str) -> None:
    execution = admin.post(f"executions/{NS}/{flow}").json()
    shown = admin.json(f"executions/{execution['id']}/flow")
    assert (shown["id"], shown["namespace"], shown["revision"]) == (flow, NS, 1)
    assert shown["tasks"] == [{"id": "say", "type": "io.kestra.plugin.core.log.Log"}]
    assert shown["labels"] == {"team": "a"} and "source" not in shown
    assert admin.json(f"executions/flows/{NS}/{flow}") == shown
    assert admin.json(f"executions/namespaces/{NS}/flows") == [shown]
    assert admin.json("executions/namespaces") == [NS]
    assert admin.get(f"executions/flows/{NS}/nope").status_code == 404


def test_values_and_averages_for_filters(admin: Rest) -> None:
    stored(namespace="a", flow_id="x", seconds=1)
    stored(namespace="a", flow_id="x", seconds=3, state=State.FAILED)
    assert admin.json("executions/distinct-field-values?field=STATE") == ["FAILED", "SUCCESS"]
    assert admin.json("executions/distinct-field-values?field=flowId&namespace=b") == []
    assert admin.get("executions/distinct-field-values?field=password").status_code == 422
    average = admin.json("executions/namespaces/a/flows/x/average-duration")
    assert average == {"count": 2, "averageDuration": "PT2S"}


def test_a_table_as_csv_holds_no_formula(admin: Rest) -> None:
    stored(namespace="a", flow_id="x", labels=[{"key": "=cmd", "value": "1"}])
    answer = admin.get("executions/export/by-query/csv?namespace=a")
    assert answer.headers["Content-Type"].startswith("text/csv")
    lines = b"".join(answer.streaming_content).decode().splitlines()
    assert lines[0].startswith("id,namespace,flowId") and len(lines) == 2
    assert "'=cmd:1" in lines[1]


def test_the_latest_execution_of_each_flow(admin: Rest) -> None:
    old = datetime.now(UTC) - timedelta(days=1)
    stored(namespace="a", flow_id="x", start=old)
    newest = stored(namespace="a", flow_id="x", state=State.RUNNING)
    found = admin.post("executions/latest", [{"namespace": "a", "id": "x"}, {"namespace": "a", "id": "none"}]).json()
    assert [(one["id"], one["status"]) for one in found] == [(newest.id, "RUNNING")]


def test_a_deleted_execution_is_gone(admin: Rest) -> None:
    execution = stored()
    assert admin.delete(f"executions/{execution.id}").status_code == 204
    assert admin.get(f"executions/{execution.id}").status_code == 404
    assert admin.delete(f"executions/{execution.id}").status_code == 404


def test_task_runs_of_all_executions_are_one_list(admin: Rest) -> None:
    stored(a_finished_run("one"), a_finished_run("two"), namespace="a")
    stored(a_finished_run("other"), namespace="b")
    page = admin.json("taskruns/search?namespace=a&sort=taskId:desc")
    assert [run["taskId"] for run in page["results"]] == ["two", "one"] and page["total"] == 2
    assert admin.json("taskruns/search?namespace=a&state=FAILED")["total"] == 0
    assert admin.json("taskruns/maxTaskRunSetting") > 0


@pytest.mark.parametrize(
    "date", ["0001-01-01T00:00:00%2B14:00", "9999-12-31T23:59:59-14:00", "1492-10-12", "9999-12-31"]
)
def test_a_date_that_no_calendar_of_ours_holds_is_refused(admin: Rest, flow: str, date: str) -> None:
    """It would be stored, and no list with this execution in it could be read any more."""
    assert admin.post(f"executions/{NS}/{flow}?scheduleDate={date}").status_code == 422
    assert admin.get(f"executions/search?startDate={date}").status_code in (200, 422)
    assert admin.get(f"metrics/aggregates/{NS}/{flow}/m?endDate={date}").status_code == 422
    assert admin.json("executions/search")["total"] == 0


def test_what_is_no_text_and_no_number_is_refused(admin: Rest, flow: str) -> None:
    assert admin.put(f"namespaces/{NS}/kv/k", b"\xff").status_code == 422
    assert admin.get(f"flows/{NS}/{flow}?revision=\u00b2").status_code == 422
    assert admin.delete(f"flows/{NS}/{flow}/revisions?revisions=\u00b2").status_code == 422


def test_who_waits_for_an_end_holds_no_connection(monkeypatch: pytest.MonkeyPatch, admin: Rest) -> None:
    """The database has few: two hundred callers of a webhook that waits would have taken all of them."""
    execution, released = stored(state=State.RUNNING), []
    with monkeypatch.context() as patched:  # inside the test's own transaction nothing can be given back
        patched.setattr(connections["default"], "close", lambda: released.append(True))
        patched.setattr(connections["default"], "in_atomic_block", False)
        executions.wait_for_end(execution.id, 0.02)
    assert released


def test_task_runs_are_listed_without_reading_all_others_of_their_executions(admin: Rest) -> None:
    stored(*[a_finished_run(f"t{number}") for number in range(40)])
    with patch("executions.api.reading.task_run_of_row", wraps=task_run_of_row) as shown:
        assert len(admin.json("taskruns/search?size=2")["results"]) == 2
    assert shown.call_count == 2
