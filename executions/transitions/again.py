"""Doing things anew: runs removed with all below them, and an execution retired in favour of a copy."""

from datetime import datetime

from executions.state import Execution, TaskRun
from executions.transitions import ending, killing
from executions.transitions.effects import CopyExecution, StopTasks
from executions.transitions.turn import Turn
from flows.definition.states import State


def remove_below(execution: Execution, run: TaskRun) -> None:
    """Remove all runs below a run, the deepest first."""
    for child in list(execution.children(run.id)):
        remove_below(execution, child)
        execution.remove(child)


def remove_with_all_below(execution: Execution, run: TaskRun) -> None:
    remove_below(execution, run)
    execution.remove(run)


def retire(turn: Turn, date: datetime) -> None:
    """CREATE_NEW_EXECUTION: this one ends as RETRIED, a fresh one of the same lineage starts at `date`."""
    execution = turn.execution
    stopped = []
    for run in reversed(list(execution.runs.values())):
        if not run.state.is_terminal:
            stopped.append(run.id)
            killing.close_run(turn, run, State.KILLED)
    if stopped:
        turn.emit(StopTasks(tuple(stopped)))
    copy = fresh_copy(execution, turn.new_id(), turn.now)
    copy.schedule_date = date
    copy.attempt_number = execution.attempt_number + 1
    # Whoever waits for this execution waits for the copy now.
    copy.parent_task_run, execution.parent_task_run = execution.parent_task_run, None
    turn.emit(CopyExecution(copy))
    ending.close(turn, State.RETRIED)


def fresh_copy(execution: Execution, new_id: str, now: datetime) -> Execution:
    """The same execution before anything has happened."""
    return Execution(
        id=new_id,
        namespace=execution.namespace,
        flow_id=execution.flow_id,
        flow_revision=execution.flow_revision,
        state=State.CREATED,
        histories=[(State.CREATED, now)],
        inputs=dict(execution.inputs),
        labels=[dict(label) for label in execution.labels],
        variables=dict(execution.memory.get("vars", execution.variables)),
        trigger=execution.trigger,
        parent_id=execution.id,
        original_id=execution.original_id or execution.id,
        depth=execution.depth,
        attempt_number=execution.attempt_number,
        original_created=execution.original_created or execution.start_date,
        kind=execution.kind,
    )
