"""Service levels of a flow: deadlines watched by timers, assertions checked at every step. Each acts once."""

from executions.transitions import ending, killing
from executions.transitions.effects import WakeAt
from executions.transitions.turn import Turn
from executions.transitions.updates import merged_labels
from flows.definition.durations import format_duration
from flows.definition.properties import Sla
from flows.definition.states import State
from flows.expressions.render import ExpressionError, is_truthy

TIMER = "sla"


def watch(turn: Turn) -> None:
    """Set the deadlines of a starting execution."""
    for index, sla in enumerate(turn.flow.sla):
        if sla.duration is not None:
            turn.emit(WakeAt(turn.execution.start_date + sla.duration, TIMER, str(index)))


def deadline(turn: Turn, key: str) -> None:
    index = int(key)
    if turn.execution.state.is_terminal or index >= len(turn.flow.sla):
        return
    sla = turn.flow.sla[index]
    longest = "" if sla.duration is None else format_duration(sla.duration)
    _violated(turn, index, sla, f"it runs for longer than {longest}")


def check(turn: Turn) -> None:
    """Evaluate the assertions; one that cannot be rendered (yet) is no violation."""
    for index, sla in enumerate(turn.flow.sla):
        if sla.assert_ is None or index in turn.execution.memory.get("sla", ()):
            continue
        if turn.execution.state.is_terminal or turn.execution.state is State.KILLING:
            return
        try:
            holds = is_truthy(turn.text(sla.assert_, None))
        except ExpressionError as error:
            turn.log("DEBUG", f"SLA '{sla.id}' cannot be evaluated: {error}")
            continue
        if not holds:
            _violated(turn, index, sla, f"the assertion `{sla.assert_}` does not hold")


def _violated(turn: Turn, index: int, sla: Sla, reason: str) -> None:
    execution = turn.execution
    turn.remember("sla", [*execution.memory.get("sla", ()), index])
    turn.log("WARN", f"SLA '{sla.id}' violated: {reason}")
    if sla.labels:
        execution.labels = merged_labels(execution.labels, {label["key"]: label["value"] for label in sla.labels})
        execution.changed = True
    if sla.behavior == "FAIL":
        execution.error = f"SLA '{sla.id}' violated: {reason}"
        _end(turn, State.FAILED)
    elif sla.behavior == "CANCEL":
        _end(turn, State.CANCELLED)


def _end(turn: Turn, state: State) -> None:
    if turn.execution.open_children.get(None, 0):
        killing.begin(turn, state)
    else:
        ending.close(turn, state)
