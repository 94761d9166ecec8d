"""The end of an execution: its outputs and last state, who is told, and what is run afterwards."""

from executions.state import Json
from executions.transitions import aftermath
from executions.transitions.effects import ReleaseSlot, TellParent
from executions.transitions.turn import Turn
from flows.definition.outputs import typed
from flows.definition.states import State
from flows.expressions.render import ExpressionError


def finish(turn: Turn, worst: State) -> None:
    """All tasks have ended: render the flow's outputs, which may still fail it."""
    state = worst
    if turn.flow.outputs:
        try:
            turn.execution.outputs = _outputs(turn)
        except (ExpressionError, ValueError) as error:
            if worst in (State.SUCCESS, State.WARNING):
                turn.log("ERROR", f"Failed to render output values: {error}")
                turn.execution.error = str(error)
                state = State.FAILED
    close(turn, state)


def close(turn: Turn, state: State) -> None:
    """The last state, the slot given back, the waiting parent told; then what is to run after the end."""
    turn.move(state)
    turn.drop_todo()
    for key in ("killing", "target", "cascade"):
        turn.execution.memory.pop(key, None)
    closed(turn)


def closed(turn: Turn) -> None:
    """What follows from a terminal state, whoever set it."""
    release_slot(turn)
    tell_parent(turn)
    aftermath.begin(turn)


def release_slot(turn: Turn) -> None:
    if turn.execution.memory.get("slot"):
        turn.remember("slot", None)
        turn.emit(ReleaseSlot())


def _outputs(turn: Turn) -> dict[str, Json]:
    """Each as its type. Raises ExpressionError, ValueError."""
    return {output.id: typed(output, turn.render(output.value, None)) for output in turn.flow.outputs}


def tell_parent(turn: Turn) -> None:
    """Of the end, if another execution waits for it."""
    parent = turn.execution.parent_task_run
    if not parent or not parent.get("wait", True):
        return
    outputs, error = turn.execution.outputs, None
    if parent.get("outputs") and not turn.flow.outputs:
        # The parent asks for outputs by templates that name this execution's tasks (Subflow's older `outputs`).
        try:
            outputs = turn.render(parent["outputs"], None)
        except ExpressionError as failure:
            outputs, error = None, str(failure)
    turn.emit(
        TellParent(
            parent_execution_id=parent["executionId"],
            task_run_id=parent["taskRunId"],
            token=parent.get("token", ""),
            child_id=turn.execution.id,
            state=turn.execution.state.value,
            outputs=outputs,
            error=error,
            iteration=parent.get("iteration"),
        )
    )
