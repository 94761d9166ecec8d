"""Dashboards: stored as YAML, drawn by the database from what the reader may see."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from executions.models import DashboardRecord
from flows.definition.states import State
from orchestrator_site.openapi_parts import CHART, DASHBOARD
from tests.integration.rest_support import Rest, a_line, a_metric, member, stored

START = datetime(2026, 11, 2, 10, 30, tzinfo=UTC)
WEEK = {"startDate": "2026-11-01T00:00:00Z", "endDate": "2026-11-08T00:00:00Z"}
E = "io.kestra.plugin.core.dashboard.data.Executions"


def chart(kind: str, data: str, *, options: str = "{}", of: str = E) -> str:
    return (
        f"id: one\ntype: io.kestra.plugin.core.dashboard.chart.{kind}\nchartOptions: {options}\ndata:\n"
        f"  type: {of}\n  {data}\n"
    )


def drawn(rest: Rest, text: str, **window: Any) -> Any:
    answer = rest.post("dashboards/charts/preview", {"chart": text, "globalFilter": {**WEEK, **window}})
    assert answer.status_code == 200, answer.content
    return answer.json()["results"]


@pytest.fixture
def runs(admin: Rest) -> Rest:
    states = [State.SUCCESS, State.SUCCESS, State.FAILED]
    for day, state in enumerate(states):
        labels = [{"key": "team", "value": "a" if day else "b"}]
        moment = START + timedelta(days=day)
        stored(state=state, start=moment, seconds=10.0 * (day + 1), namespace="shop.one", labels=labels)
    other = stored(state=State.SUCCESS, start=START, seconds=1, namespace="bank")
    a_line(other, "broken", 4, timestamp=START)
    a_line(other, "fine", 2, timestamp=START)
    a_metric(other, "rows", 2.5, timestamp=START)
    a_metric(other, "rows", 4, timestamp=START)
    return admin


def test_a_dashboard_is_stored_found_changed_and_deleted(admin: Rest) -> None:
    made = admin.post("dashboards", DASHBOARD).json()
    assert (made["id"], made["title"], made["sourceCode"]) == ("overview", "Overview", DASHBOARD)
    assert made["timeWindow"] == {"default": "PT168H", "max": "PT2160H"} and made["deleted"] is False
    assert made["charts"][0]["data"]["columns"]["total"] == {"agg": "COUNT"}
    assert admin.post("dashboards", DASHBOARD).status_code == 422
    assert admin.get("dashboards/nothing").status_code == 404
    unnamed = admin.post("dashboards", DASHBOARD.replace("id: overview\n", "", 1)).json()
    assert admin.json(f"dashboards/{unnamed['id']}")["title"] == "Overview"
    changed = admin.put("main/dashboards/overview", DASHBOARD.replace("title: Overview", "title: Sales"))
    assert changed.json()["title"] == "Sales"
    renamed = DASHBOARD.replace("id: overview", "id: another", 1)
    assert admin.put("dashboards/overview", renamed).status_code == 422
    assert admin.put("dashboards/nothing", DASHBOARD).status_code == 404
    page = admin.json("dashboards?q=sales&sort=title:asc")
    assert (page["total"], page["results"][0]["id"]) == (1, "overview")
    assert admin.get("dashboards?sort=colour:asc").status_code == 422
    assert admin.delete("dashboards/overview").status_code == 204
    assert admin.delete("dashboards/overview").status_code == 404


def test_only_who_wrote_it_and_administrators_change_a_dashboard(admin: Rest) -> None:
    writer, other = Rest(member("wendy", "author", "shop")), Rest(member("otto", "author", "bank"))
    reader = Rest(member("rita", "viewer", "shop"))
    assert writer.post("dashboards", DASHBOARD).status_code == 200
    assert reader.post("dashboards", DASHBOARD).status_code == 403
    assert reader.get("dashboards/overview").status_code == 200
    assert other.put("dashboards/overview", DASHBOARD).status_code == 403
    assert other.delete("dashboards/overview").status_code == 403
    assert writer.put("dashboards/overview", DASHBOARD).status_code == 200
    assert admin.delete("dashboards/overview").status_code == 204


def test_a_chart_over_time_counts_and_sums_by_day(runs: Rest) -> None:
    columns = (
        "columns: {date: {field: START_DATE}, state: {field: STATE}, n: {agg: COUNT}, s: {field: DURATION, agg: SUM}}"
    )
    found = drawn(runs, chart("TimeSeries", columns, options="{column: date}"), namespace="shop")
    assert found == [
        {"date": "2026-11-02T00:00:00Z", "state": "SUCCESS", "n": 1, "s": 10.0},
        {"date": "2026-11-03T00:00:00Z", "state": "SUCCESS", "n": 1, "s": 20.0},
        {"date": "2026-11-04T00:00:00Z", "state": "FAILED", "n": 1, "s": 30.0},
    ]
    short = drawn(
        runs, chart("TimeSeries", columns, options="{column: date}"), endDate="2026-11-02T12:00:00Z", timeRange=None,
        startDate="2026-11-02T10:00:00Z",
    )  # fmt: skip
    assert short[0]["date"] == "2026-11-02T10:30:00Z"


@pytest.mark.parametrize(
    ("where", "count"),
    [
        ("{field: STATE, type: EQUAL_TO, value: FAILED}", 1),
        ("{field: STATE, type: IN, values: [FAILED, SUCCESS]}", 4),
        ("{field: STATE, type: NOT_EQUAL_TO, value: FAILED}", 3),
        ("{field: NAMESPACE, type: STARTS_WITH, value: shop}", 3),
        ("{field: NAMESPACE, type: REGEX, value: '^b.*k$'}", 1),
        ("{field: LABELS, labelKey: team, type: EQUAL_TO, value: a}", 2),
        ("{field: LABELS, labelKey: team, type: IS_NULL}", 1),
        ("{field: DURATION, type: GREATER_THAN, value: PT15S}", 2),
        ("{field: START_DATE, type: LESS_THAN, value: '2026-11-03T00:00:00Z'}", 2),
        ("{type: OR, values: [{field: STATE, type: EQUAL_TO, value: FAILED}, "
         "{field: NAMESPACE, type: EQUAL_TO, value: bank}]}", 2),
    ],
)  # fmt: skip
def test_conditions_of_a_chart_narrow_it(runs: Rest, where: str, count: int) -> None:
    found = drawn(runs, chart("Table", f"columns: {{n: {{agg: COUNT}}}}\n  where: [{where}]"))
    assert found == [{"n": count}]


def test_tables_are_ordered_paged_and_downloaded(runs: Rest) -> None:
    table = chart("Table", "columns: {ns: {field: NAMESPACE}, n: {agg: COUNT}}\n  orderBy: [{column: n, order: DESC}]")
    body = {"chart": table, "globalFilter": {**WEEK, "pageSize": 1, "pageNumber": 2}}
    assert runs.post("dashboards/charts/preview", body).json() == {"results": [{"ns": "bank", "n": 1}], "total": 2}
    for path in ("dashboards/charts/export/to-csv", "main/dashboards/charts/export?format=CSV"):
        answer = runs.post(path, {"chart": table, "globalFilter": WEEK})
        assert b"".join(answer.streaming_content).decode().splitlines() == ["ns,n", "shop.one,3", "bank,1"]
    assert runs.post("dashboards/charts/export?format=PDF", body).status_code == 422
    plain = drawn(runs, chart("Table", "columns: {id: {field: ID}, label: {field: LABELS, labelKey: team}}"))
    assert len(plain) == 4 and sorted(row.get("label", "") for row in plain) == ["", "a", "a", "b"]


def test_shares_logs_and_metrics(runs: Rest) -> None:
    kpi = "columns: {agg: COUNT}\n  numerator: [{field: STATE, type: EQUAL_TO, value: SUCCESS}]"
    assert drawn(runs, chart("KPI", kpi, options="{numberType: PERCENTAGE}", of=f"{E}KPI")) == [{"value": 75.0}]
    assert drawn(runs, chart("KPI", kpi, of=f"{E}KPI")) == [{"value": 3}]
    levels = chart("Bar", "columns: {l: {field: LEVEL}, n: {agg: COUNT}}", of=E.replace("Executions", "Logs"))
    assert drawn(runs, levels) == [{"l": "INFO", "n": 1}, {"l": "ERROR", "n": 1}]
    filtered = [{"field": "level", "operation": "EQUALS", "value": "ERROR"}]
    assert drawn(runs, levels, filters=filtered) == [{"l": "ERROR", "n": 1}]
    metrics = chart("Pie", "columns: {n: {field: NAME}, v: {field: VALUE, agg: AVG}}", of="core.dashboard.data.Metrics")
    assert drawn(runs, metrics) == [{"n": "rows", "v": 3.25}]


def test_a_reader_is_shown_own_namespaces_only(runs: Rest) -> None:
    runs.post("dashboards", DASHBOARD)
    reader = Rest(member("rita", "viewer", "bank"))
    answer = reader.post("dashboards/overview/charts/by_state", WEEK)
    assert answer.json() == {"results": [{"state": "SUCCESS", "total": 1}], "total": 1}
    assert sum(row["total"] for row in runs.post("dashboards/overview/charts/by_state", WEEK).json()["results"]) == 4
    assert runs.post("dashboards/overview/charts/by_state", {**WEEK, "labels": {"team": "b"}}).json()["total"] == 1
    assert runs.post("dashboards/overview/charts/nothing", WEEK).status_code == 404
    long = {"startDate": "2020-01-01T00:00:00Z", "endDate": "2026-01-01T00:00:00Z"}
    assert "larger than" in runs.post("dashboards/overview/charts/by_state", long).json()["message"]


@pytest.mark.parametrize(
    ("wrong", "said", "line"),
    [
        (DASHBOARD.replace("field: STATE", "field: COLOUR"), "columns.state: COLOUR is no field of Executions", 7),
        (DASHBOARD.replace("agg: COUNT", "agg: LOTS"), "columns.total.agg", 7),
        (DASHBOARD.replace("title: Overview", "colour: red"), "Unrecognized field", 2),
        (DASHBOARD.replace("type: io", "kind: io", 1), "Unrecognized field", 6),
        (DASHBOARD + DASHBOARD[DASHBOARD.index("  - id") :], "Duplicate id by_state", 1),
        (DASHBOARD.replace("max: P90D", "max: P1D"), "default must be positive", 3),
        ("id: [", "", 2),
    ],
)
def test_what_is_wrong_with_a_dashboard_is_told_with_its_place(admin: Rest, wrong: str, said: str, line: int) -> None:
    answer = admin.post("dashboards/validate", wrong).json()
    assert said in answer["constraints"]
    assert answer["violations"][0]["line"] == line
    assert admin.post("dashboards", wrong).status_code == 422
    assert not DashboardRecord.objects.exists()


def test_what_is_right_has_no_constraints_and_a_schema_to_be_written_by(admin: Rest) -> None:
    assert "constraints" not in admin.post("dashboards/validate", DASHBOARD).json()
    assert "constraints" not in admin.post("dashboards/validate/chart", CHART).json()
    assert "constraints" in admin.post("dashboards/validate/chart", "id: x\ntype: Bar").json()
    assert {"id", "title", "charts"} <= admin.json("plugins/schemas/dashboard")["properties"].keys()
    assert {"id", "title", "charts"} <= admin.json("plugins/properties/dashboard").keys()
    assert admin.json("plugins/properties/flow")["tasks"]
    assert admin.get("plugins/properties/nothing").status_code == 404


@pytest.mark.parametrize(
    "body",
    [
        {"startDate": "soon"},
        {"startDate": 5},
        {"startDate": "2026-11-08T00:00:00Z", "endDate": "2026-11-01T00:00:00Z"},
        {"pageSize": 0},
        {"pageNumber": "x"},
        {"namespace": 1},
        {"labels": []},
        {"filters": [{"field": "colour", "value": "x"}]},
        {"timeRange": "banana"},
    ],
)
def test_a_window_that_is_none_is_refused(admin: Rest, body: Any) -> None:
    admin.post("dashboards", DASHBOARD)
    assert admin.post("dashboards/overview/charts/by_state", body).status_code == 422
    text = chart("Table", "columns: {n: {field: NAMESPACE, agg: SUM}}")
    assert admin.post("dashboards/charts/preview", {"chart": text}).status_code == 422
    markdown = "id: m\ntype: io.kestra.plugin.core.dashboard.chart.Markdown\ncontent: hi"
    assert admin.post("dashboards/charts/preview", {"chart": markdown}).status_code == 422
