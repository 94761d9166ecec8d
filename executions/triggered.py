"""An execution as a trigger makes it: inputs from templates, labels inherited, a refusal told as a FAILED execution."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from executions import lineage
from executions.ids import new_id
from executions.inputs import checked_inputs
from executions.starting import CORRELATION, Start, born_failed, built
from executions.state import Execution
from flows.definition.inputs import InvalidInputs
from flows.definition.model import Flow
from flows.expressions.errors import ExpressionError
from flows.triggers.base import Trigger

Json = Any


def triggered(
    flow: Flow,
    trigger: Trigger,
    variables: Mapping[str, Json],
    render: Callable[[Json], Json],
    now: datetime,
    *,
    starter: Execution | None = None,
    connection: Any = None,
) -> Execution:
    """Inputs that the trigger does not give take their defaults, required ones may be missing, as in Kestra.

    What cannot be rendered or is refused becomes a FAILED execution that says why: nothing gets lost in silence."""
    execution_id = new_id()
    told = {"id": trigger.id, "type": trigger.type, "variables": dict(variables)}
    error = None
    labels: list[dict[str, str]] = []
    values: dict[str, Json] = {}
    try:
        labels = [{"key": one["key"], "value": str(render(one["value"]))} for one in trigger.labels]
        given = dict(render(trigger.inputs)) if trigger.inputs else {}
        wanted = [one for one in flow.inputs if one.id in given or one.defaults is not None]
        values = checked_inputs(flow, given, {}, execution_id, told, inputs=wanted, connection=connection)
    except (ExpressionError, InvalidInputs, ValueError) as refused:
        error = f"Trigger `{trigger.id}` could not give the flow its inputs: {refused}"
    start = Start(labels=_inherited(labels, starter), trigger=told, execution_id=execution_id)
    execution = built(flow, start, values, now, connection=connection, may_block=False)
    if starter is not None:
        execution.depth = starter.depth + 1
        lineage.hand_down(starter, execution)
    if error is not None and not execution.state.is_terminal:
        born_failed(execution, error, now)
    return execution


def _inherited(labels: list[dict[str, str]], starter: Execution | None) -> list[dict[str, str]]:
    if starter is None:
        return labels
    given = next((label["value"] for label in starter.labels if label["key"] == CORRELATION), starter.id)
    return [*labels, {"key": CORRELATION, "value": given}]
