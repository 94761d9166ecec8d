"""A flow's `checks` of the inputs of an execution that is about to be: which do not hold, and what becomes of it."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from executions.inputs import renderer
from flows.definition.model import Flow
from flows.definition.properties import Check
from flows.expressions.errors import ExpressionError
from flows.expressions.render import is_truthy

Json = Any


class Blocked(ValueError):
    """The execution is not begun."""

    http_status = 422

    def __init__(self, failed: Sequence[Check]) -> None:
        super().__init__(f"Illegal argument: Flow execution blocked: {reason_of(failed)}")


def failed_checks(
    flow: Flow,
    inputs: Mapping[str, Json],
    execution_id: str,
    trigger: Mapping[str, Json] | None = None,
    connection: Any = None,
) -> list[Check]:
    """Those whose condition does not hold, or cannot be evaluated."""
    if not flow.checks:
        return []
    render = renderer(flow, execution_id, trigger, connection)
    return [check for check in flow.checks if not _holds(check, render, inputs)]


def fails(failed: Sequence[Check], *, may_block: bool) -> bool:
    """Whether the execution is begun as FAILED. Raises Blocked when it is not to be begun at all."""
    behaviors = {check.behavior for check in failed}
    if may_block and "BLOCK_EXECUTION" in behaviors:
        raise Blocked(failed)
    return not behaviors.isdisjoint(("BLOCK_EXECUTION", "FAIL_EXECUTION"))


def reason_of(failed: Sequence[Check]) -> str:
    messages = ", ".join(check.message for check in failed)
    return f"one or more condition checks evaluated to false. Failed checks: {messages}"


def _holds(check: Check, render: Callable[[Any, Mapping[str, Json]], Json], inputs: Mapping[str, Json]) -> bool:
    try:
        return is_truthy(render(check.condition, inputs))
    except ExpressionError:
        return False
