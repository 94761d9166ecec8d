"""What expressions of a flow may name, told to editors: by category, and by what runs before a task."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from executions import database
from executions.storage import kv, secrets
from executions.storage.base import files_prefix, uri_of
from executions.storage.site import current as storage
from tests.integration.rest_support import Rest, member

pytestmark = pytest.mark.django_db
LOG = "type: io.kestra.plugin.core.log.Log, message: x"
FLOW = f"""\
id: a
namespace: team.one
labels: {{color: red}}
variables: {{number: 1}}
inputs: [{{id: name, type: STRING}}]
tasks:
- {{id: first, {LOG}}}
- id: both
  type: io.kestra.plugin.core.flow.Parallel
  tasks: [{{id: left, {LOG}}}, {{id: right, {LOG}}}]
  errors: [{{id: trouble, {LOG}}}, {{id: more, {LOG}}}]
- {{id: last, {LOG}}}
errors:
- {{id: wrong, type: io.kestra.plugin.core.flow.Sequential, tasks: [{{id: inner, {LOG}}}]}}
finally: [{{id: tidy, {LOG}}}]
"""


def categories(rest: Rest, query: str = "") -> dict[str, list[str]]:
    answer = rest.post(f"flows/expressions{query}", FLOW)
    assert answer.status_code == 200, answer.content
    return dict(answer.json()["categories"])


@pytest.mark.parametrize(
    ("task", "before"),
    [
        ("first", []),
        ("right", ["both", "first"]),
        ("more", ["both", "first", "trouble"]),
        ("last", ["both", "first", "left", "right"]),
        ("tidy", ["both", "first", "last", "left", "right"]),
    ],
)
def test_outputs_of_tasks_that_run_before(admin: Rest, task: str, before: list[str]) -> None:
    assert categories(admin, f"?taskId={task}")["taskOutputs"] == [f"outputs.{name}" for name in before]


def test_each_category_holds_what_is_there(admin: Rest, settings: Any, tmp_path: Path) -> None:
    settings.CELESTA = replace(settings.CELESTA, storage=tmp_path)
    connection = database.current()
    kv.put(connection, "team", "above", 1)
    kv.put(connection, "team.two", "elsewhere", 1)
    secrets.put(connection, "team.one", "TOKEN", "x")
    storage().put(uri_of(f"{files_prefix('team.one')}/sub/a.sql"), b"")
    found = categories(admin)
    assert len(found["taskOutputs"]) == 10
    assert (found["inputs"], found["variables"]) == (["inputs.name"], ["vars.number"])
    assert (found["kvPairs"], found["namespaceFiles"]) == (["kv('above')"], ["read('sub/a.sql')"])
    assert "secret('TOKEN')" in found["secrets"]
    assert {"flow.id", "execution.id", "labels.color"} < set(found["executionContext"])
    assert "upper" in found["filters"] and "now()" in found["functions"]
    assert admin.post("flows/expressions?taskId=none", FLOW).status_code == 404
    assert admin.post("flows/expressions", "id: [").status_code == 422


def test_a_viewer_is_told_nothing_and_an_author_no_secret_of_others(admin: Rest) -> None:
    secrets.put(database.current(), "team", "ABOVE", "x")
    assert Rest(member("vera", "viewer", "team.one")).post("flows/expressions", FLOW).status_code == 403
    assert Rest(member("otto", "author", "team.two")).post("flows/expressions", FLOW).status_code == 403
    assert categories(Rest(member("ann", "author", "team.one")))["secrets"] == []
