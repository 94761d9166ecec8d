"""Executions and rows for tests that need some, without a flow or an engine."""

from datetime import UTC, datetime
from typing import Any

from executions.ids import new_id
from executions.state import Attempt, Execution, TaskRun
from flows.definition.states import State


def an_execution(**changes: Any) -> Execution:
    execution_id = changes.pop("id", None) or new_id()
    values: dict[str, Any] = {
        "namespace": "company.team",
        "flow_id": "a_flow",
        "flow_revision": 1,
        "state": State.CREATED,
        "histories": [(State.CREATED, datetime.now(UTC))],
        "original_id": execution_id,
    }
    return Execution(id=execution_id, **{**values, **changes})


def a_run(task_id: str = "task", state: State = State.CREATED, **changes: Any) -> TaskRun:
    now = datetime.now(UTC)
    return TaskRun(id=new_id(), task_id=task_id, state=state, histories=[(state, now)], **changes)


def an_attempt(state: State = State.CREATED) -> Attempt:
    return Attempt(new_id(), state, [(state, datetime.now(UTC))])
