"""pluginDefaults: by type, alias or prefix, under or over a task's own properties, at any depth."""

from typing import Any

import pytest

from flows.definition.errors import InvalidFlow
from flows.definition.model import Flow
from flows.definition.parse import parse_flow
from flows.definition.yaml_text import to_yaml

LOG = "io.kestra.plugin.core.log.Log"


def flow(defaults: list[dict[str, Any]], *tasks: dict[str, Any], name: str = "pluginDefaults") -> Flow:
    return parse_flow(to_yaml({"id": "f", "namespace": "n", name: defaults, "tasks": list(tasks)}))


def level(found: Flow, task_id: str = "t") -> str:
    return str(found.task_index[task_id].task.level)  # type: ignore[attr-defined]


def log(task_id: str = "t", type_name: str = LOG, **more: Any) -> dict[str, Any]:
    return {"id": task_id, "type": type_name, "message": "x", **more}


def default(type_name: str, level: str, **more: Any) -> dict[str, Any]:
    return {"type": type_name, "values": {"level": level}, **more}


@pytest.mark.parametrize(
    "type_name", [LOG, "core.log.Log", "io.kestra.core.tasks.log.Log", "io.kestra.plugin.core.log", "io.kestra"]
)
def test_a_default_by_type_alias_and_prefix(type_name: str) -> None:
    assert level(flow([default(type_name, "WARN")], log())) == "WARN"


def test_the_older_name_of_the_property() -> None:
    assert level(flow([default(LOG, "WARN")], log(), name="taskDefaults")) == "WARN"


@pytest.mark.parametrize(("forced", "expected"), [(False, "DEBUG"), (True, "WARN")])
def test_a_task_has_the_last_word_unless_the_default_is_forced(forced: bool, expected: str) -> None:
    assert level(flow([default(LOG, "WARN", forced=forced)], log(level="DEBUG"))) == expected


def test_the_more_specific_default_goes_first() -> None:
    assert level(flow([default("io.kestra.plugin.core", "ERROR"), default(LOG, "WARN")], log())) == "WARN"


def test_defaults_reach_tasks_at_any_depth() -> None:
    inner = {"id": "s", "type": "core.flow.Sequential", "tasks": [log("deep")], "errors": [log("e")]}
    found = flow([default(LOG, "WARN")], inner)
    assert (level(found, "deep"), level(found, "e")) == ("WARN", "WARN")


def test_another_type_is_left_alone() -> None:
    found = flow([default("io.kestra.plugin.core.http", "WARN")], log())
    assert level(found) == "INFO"


def test_a_default_that_the_type_does_not_know_is_refused() -> None:
    with pytest.raises(InvalidFlow, match="Unrecognized field"):
        flow([{"type": LOG, "values": {"nonsense": 1}}], log())
