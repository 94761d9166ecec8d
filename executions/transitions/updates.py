"""Tasks that change their own execution (labels, variables, its end): settled here, with one attempt like any other."""

from executions.state import Attempt, Json, TaskRun
from executions.transitions import killing
from executions.transitions.conclude import FAILURES, conclude
from executions.transitions.outputs import VARS
from executions.transitions.tree import LEAVING
from executions.transitions.turn import Turn
from flows.definition.states import State
from flows.expressions.taint import mask
from flows.tasks.base import UpdatingTask


def apply(turn: Turn, run: TaskRun, task: UpdatingTask) -> None:
    state, reason = State.SUCCESS, None
    try:
        update = task.update(turn.view(run), _variables(turn))
    except FAILURES as error:
        update, state, reason = None, State.FAILED, str(error)
    if update is not None and update.state is not None and turn.postpone(run):
        return
    turn.move_run(run, State.RUNNING)
    if reason is not None:
        turn.log("ERROR", reason, run)
    run.attempts.append(
        Attempt(turn.new_id(), state, [(State.CREATED, turn.now), (State.RUNNING, turn.now), (state, turn.now)])
    )
    turn.execution.touch(run)
    if update is None:
        conclude(turn, run, task, state)
        return
    execution = turn.execution
    if update.labels is not None:
        execution.labels = merged_labels(execution.labels, update.labels)
    if update.variables is not None:
        execution.memory.setdefault(VARS, execution.variables)
        execution.variables = update.variables
    execution.changed = True
    run.outputs = update.outputs
    conclude(turn, run, task, state)
    if update.state is State.KILLED:
        killing.begin(turn, update.state)
    elif update.state is not None:
        turn.remember(LEAVING, update.state.value)


def _variables(turn: Turn) -> dict[str, Json]:
    """What `vars` is: before the first change, the flow's under those that the execution was given."""
    execution = turn.execution
    return execution.variables if VARS in execution.memory else {**turn.flow.variables, **execution.variables}


def merged_labels(labels: list[dict[str, str]], added: dict[str, Json]) -> list[dict[str, str]]:
    """New values take the place of old ones; system labels stay."""
    merged = {label["key"]: label["value"] for label in labels}
    merged.update({key: label_text(value) for key, value in added.items()})
    return [{"key": key, "value": value} for key, value in merged.items()]


def label_text(value: Json) -> str:
    """Labels are shown and searched everywhere: what comes from a secret is stars in them."""
    shown = mask(value)
    return shown if isinstance(shown, str) else str(shown)
