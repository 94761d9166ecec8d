"""Log lines and metrics over REST."""

from datetime import UTC, datetime, timedelta

import pytest

from flows.definition.states import State
from tests.integration.rest_support import Rest, a_finished_run, a_line, a_metric, stored


def test_lines_have_kestras_form_and_leave_nulls_out(admin: Rest) -> None:
    run = a_finished_run("say")
    execution = stored(run)
    a_line(execution, "hello", task_id="say", attempt=1)
    (line,) = admin.json(f"logs/{execution.id}")
    assert line["executionId"] == execution.id and line["level"] == "INFO" and line["attemptNumber"] == 1
    assert line["timestamp"].endswith("Z") and "triggerId" not in line and "taskRunId" not in line


def test_levels_and_words_narrow_what_is_listed(admin: Rest) -> None:
    execution = stored(namespace="a.b")
    for level, text in enumerate(("trace", "debug", "info", "warn", "error")):
        a_line(execution, f"{text} line", level, task_id="t" if level else None)

    def found(query: str) -> list[str]:
        return [line["message"] for line in admin.json(f"logs/{execution.id}?{query}")]

    assert found("minLevel=WARN") == ["warn line", "error line"]
    assert found("filters[level][EQUALS]=error") == ["error line"]
    assert found("taskId=t&minLevel=DEBUG") == ["debug line", "info line", "warn line", "error line"]
    assert admin.get(f"logs/{execution.id}?minLevel=LOUD").status_code == 422
    page = admin.json("logs/search?q=line&minLevel=INFO&size=2&sort=timestamp:asc&namespace=a")
    assert page["total"] == 3 and page["type"] == "OFFSET" and len(page["results"]) == 2
    assert admin.json("logs/search?namespace=c")["total"] == 0


def test_the_download_is_text_with_a_line_per_entry(admin: Rest) -> None:
    execution = stored(state=State.RUNNING)
    a_line(execution, "first")
    a_line(execution, "second", 4)
    answer = admin.get(f"logs/{execution.id}/download")
    assert answer.headers["Content-Type"].startswith("text/plain") and answer.headers["Cache-Control"] == "no-cache"
    assert "attachment" in answer.headers["Content-Disposition"]
    lines = b"".join(answer.streaming_content).decode().splitlines()
    assert [line.split(" ", 1)[1] for line in lines] == ["INFO first", "ERROR second"]


def test_lines_are_deleted_by_execution_and_by_flow(admin: Rest) -> None:
    execution = stored(namespace="a", flow_id="f")
    a_line(execution, "x", 0)
    a_line(execution, "y", 4)
    assert admin.delete(f"logs/{execution.id}?minLevel=ERROR").status_code == 200
    assert [line["message"] for line in admin.json(f"logs/{execution.id}")] == ["x"]
    assert admin.delete("logs/a/f?triggerId=t").status_code == 200
    assert len(admin.json(f"logs/{execution.id}")) == 1
    assert admin.delete("logs/a/f").status_code == 200
    assert admin.json(f"logs/{execution.id}") == []


def test_metrics_are_listed_by_execution_and_task(admin: Rest) -> None:
    execution = stored()
    a_metric(execution, "rows", 3, tags={"t": "x"})
    a_metric(execution, "took", 2.5, "timer", task_id="other")
    page = admin.json(f"metrics/{execution.id}?sort=name:asc")
    assert [(one["name"], one["type"], one["value"]) for one in page["results"]] == [
        ("rows", "counter", 3.0),
        ("took", "timer", 2.5),
    ]
    assert page["results"][0]["tags"] == {"t": "x"} and page["total"] == 2
    assert admin.json(f"metrics/{execution.id}?taskId=other")["total"] == 1
    assert admin.json(f"metrics/{execution.id}?taskRunId=nonsense")["total"] == 0


@pytest.mark.parametrize(("how", "value"), [("sum", 9.0), ("avg", 3.0), ("min", 1.0), ("max", 5.0)])
def test_metrics_are_aggregated_over_time(admin: Rest, how: str, value: float) -> None:
    execution = stored(namespace="a", flow_id="f")
    now = datetime.now(UTC)
    noon = now.replace(hour=12, minute=0, second=0, microsecond=0) - timedelta(days=2)
    for number in (1, 3, 5):
        a_metric(execution, "rows", number, timestamp=noon + timedelta(minutes=number))
    a_metric(execution, "rows", 100, timestamp=noon - timedelta(days=90))
    for path in ("aggregates/a/f/rows", "aggregates/a/f/task/rows"):
        found = admin.json(f"metrics/{path}?aggregation={how}")
        assert found["groupBy"] == "day"
        assert [(one["name"], one["value"]) for one in found["aggregations"]] == [("rows", value)]
    assert admin.json("metrics/names/a/f") == ["rows"] == admin.json("metrics/names/a/f/task")
    assert admin.json("metrics/tasks/a/f") == ["task"]
    assert admin.get("metrics/aggregates/a/f/rows?aggregation=mode").status_code == 422
