"""Statistics over time, and what the instance tells of itself."""

from datetime import UTC, datetime, timedelta

import pytest

from flows.definition.states import State
from tests.integration.rest_support import FLOW, PASSWORD, Rest, a_finished_run, a_line, administrator, stored


def test_each_day_is_there_with_counts_by_state_and_durations(admin: Rest) -> None:
    day = datetime(2026, 3, 10, 12, tzinfo=UTC)
    stored(start=day, seconds=2, namespace="a")
    stored(start=day, seconds=4, namespace="a", state=State.FAILED)
    stored(start=day - timedelta(days=1), namespace="a")
    body = {"namespace": "a", "startDate": "2026-03-08T00:00:00Z", "endDate": "2026-03-11T00:00:00Z"}
    days = admin.post("stats/executions/daily", body).json()
    assert [one["startDate"][:10] for one in days] == ["2026-03-08", "2026-03-09", "2026-03-10", "2026-03-11"]
    shown = days[2]
    assert shown["executionCounts"]["SUCCESS"] == 1 and shown["executionCounts"]["FAILED"] == 1
    assert shown["duration"] == {"min": "PT2S", "avg": "PT3S", "max": "PT4S", "sum": "PT6S", "count": 2}
    assert days[0]["executionCounts"]["SUCCESS"] == 0 and days[0]["groupBy"] == "day"
    assert (
        sum(
            one["executionCounts"]["FAILED"]
            for one in admin.post("stats/executions/daily", {**body, "state": ["SUCCESS"]}).json()
        )
        == 0
    )


def test_counts_by_flow_by_namespace_of_task_runs_and_of_lines(admin: Rest) -> None:
    execution = stored(a_finished_run("one"), a_finished_run("two"), namespace="a", flow_id="f")
    a_line(execution, "x", 4)
    by_flow = admin.post("stats/executions/daily/group-by-flow", {"flows": [{"namespace": "a", "id": "f"}]}).json()
    assert sum(one["executionCounts"]["SUCCESS"] for one in by_flow["a"]["f"]) == 1
    assert admin.post("stats/executions/daily/group-by-flow", {}).json().keys() == {"a"}
    by_namespace = admin.post("stats/executions/daily/group-by-namespace", {}).json()
    assert by_namespace["a"]["total"] == 1
    runs = admin.post("stats/taskruns/daily", {"namespace": "a"}).json()
    assert sum(one["executionCounts"]["SUCCESS"] for one in runs) == 2
    lines = admin.post("stats/logs/daily", {"namespace": "a"}).json()
    assert sum(one["counts"].get("ERROR", 0) for one in lines) == 1
    latest = admin.post("stats/executions/latest/group-by-flow", {"flows": [{"namespace": "a", "id": "f"}]}).json()
    assert [one["id"] for one in latest] == [execution.id]


def test_bad_questions_are_refused(admin: Rest) -> None:
    assert admin.post("stats/executions/daily", []).status_code == 422
    assert admin.post("stats/executions/daily", {"startDate": "x"}).status_code == 422
    assert admin.post("stats/executions/daily", {"startDate": "2027-01-01", "endDate": "2026-01-01"}).status_code == 422
    assert admin.post("stats/executions/daily", {"startDate": "0001-01-01"}).status_code == 422
    assert admin.post("stats/executions/latest/group-by-flow", {"flows": "x"}).status_code == 422
    assert admin.post("stats/logs/daily", {"minLevel": "LOUD"}).status_code == 422


@pytest.mark.parametrize(
    ("start", "end"),
    [
        ("9999-12-31T23:00:00Z", "9999-12-31T23:59:59Z"),
        ("0001-01-01T00:00:00+14:00", "0001-01-01T01:00:00+14:00"),
        ("", "0001-01-01T00:00:00Z"),
    ],
)
def test_the_ends_of_the_calendar_are_refused(admin: Rest, start: str, end: str) -> None:
    body = {name: date for name, date in (("startDate", start), ("endDate", end)) if date}
    assert admin.post("stats/executions/daily", body).status_code == 422
    chart = "{id: c, type: io.kestra.plugin.core.dashboard.chart.Table, data: {type: io.kestra.plugin.core.dashboard.data.Executions, columns: {n: {agg: COUNT}}}}"
    assert admin.post("dashboards/charts/preview", {"chart": chart, "globalFilter": body}).status_code == 422


def test_an_answer_of_gigabytes_is_not_begun(admin: Rest) -> None:
    """Flows need not exist to be counted: a thousand names by centuries of months."""
    flows = [{"namespace": "a", "id": str(number)} for number in range(1000)]
    body = {"flows": flows, "startDate": "1970-01-01", "endDate": "2340-01-01"}
    assert admin.post("stats/executions/daily/group-by-flow", body).status_code == 422


def test_the_summary_and_usages_count_flows(admin: Rest) -> None:
    assert admin.post("flows", FLOW).status_code == 200
    stored()
    assert admin.post("stats/summary", {}).json() == {"flows": 1, "triggers": 0}
    usages = admin.json("usages/all")
    assert usages["flows"]["count"] == 1 and usages["executions"]["executionCounts"] == {"SUCCESS": 1}


def test_the_configuration_names_the_served_version(admin: Rest) -> None:
    assert admin.json("configs")["version"].startswith("1.3")
    assert Rest().json("configs/login") == {"isBasicAuthEnabled": True, "isBasicAuthInitialized": True}
    assert Rest().get("configs").status_code == 401


def test_an_account_changes_its_own_password_only(admin: Rest) -> None:
    assert admin.post("basicAuth", {"username": "other", "password": "a new long password"}).status_code == 422
    assert admin.post("basicAuth", {"username": "root", "password": "123"}).status_code == 422
    assert admin.post("main/basicAuth", {"username": "root", "password": "a new long password"}).status_code == 204
    assert admin.get("configs").status_code == 401
    assert PASSWORD != "a new long password" and administrator("second").check_password(PASSWORD)


def test_an_unknown_address_is_json_404_and_only_for_known_callers(admin: Rest) -> None:
    for path in ("/api/", "/api/v1/nope", "/api/v1/main/nope/x", "/api/v2/flows", "/api/v1/flows/a/b/c/d/e"):
        answer = admin.get(path)
        assert answer.status_code == 404 and answer.json()["_links"]["self"]["href"] == path
        assert Rest().get(path).status_code == 401
