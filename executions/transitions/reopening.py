"""Making an ended execution one that can go on: which task runs are done again, which are kept, which go. O(task runs)."""

from collections.abc import Callable
from copy import deepcopy
from dataclasses import replace
from datetime import datetime
from typing import Any

from executions.state import Execution, TaskRun
from executions.transitions.aftermath import is_branch
from executions.transitions.again import remove_below, remove_with_all_below
from executions.transitions.turn import child_of
from flows.definition.model import Flow
from flows.definition.states import State
from flows.tasks.base import FlowableTask, RunnableTask

_BAD = frozenset({State.FAILED, State.KILLED, State.CANCELLED, State.RETRIED})


def failed_runs(flow: Flow, execution: Execution) -> list[TaskRun]:
    """The innermost runs that made the execution end badly: not those whose failure was allowed further up.

    What a job has made itself is not done again without it."""
    found: list[TaskRun] = []

    def look(parent_id: str | None) -> bool:
        bad = False
        for run in list(execution.children(parent_id)):
            if run.state in _BAD:
                bad = True
                if _is_job(flow, run) or not look(run.id):
                    found.append(run)
        return bad

    look(None)
    return sorted(found, key=lambda run: run.seq)


def job_of(flow: Flow, execution: Execution, run: TaskRun) -> TaskRun:
    """The run itself, or the job that has made it."""
    return next((one for one in execution.ancestors(run) if _is_job(flow, one)), run)


def is_after_end(flow: Flow, run: TaskRun) -> bool:
    place = flow.task_index.get(run.task_id)
    return run.parent_id is None and place is not None and is_branch(place.branch)


def _is_job(flow: Flow, run: TaskRun) -> bool:
    place = flow.task_index.get(run.task_id)
    return place is not None and isinstance(place.task, RunnableTask)


def open_above(flow: Flow, execution: Execution, run: TaskRun, now: datetime) -> None:
    """The runs above go on: RUNNING again, without what their `errors` and `finally` have left."""
    for ancestor in list(execution.ancestors(run)):
        if ancestor.state is not State.RUNNING:
            execution.move_run(ancestor, State.RUNNING, now)
        _forget_end(execution, ancestor)
        open_level(flow, execution, ancestor, keep=run)
    open_level(flow, execution, None, keep=run)


def open_level(flow: Flow, execution: Execution, parent: TaskRun | None, keep: TaskRun | None = None) -> None:
    """Remove the runs of `errors`, `finally` and of what came after the end, but for the one that is reopened."""
    kept = set() if keep is None else {keep.id, *(ancestor.id for ancestor in execution.ancestors(keep))}
    for run in list(execution.children(None if parent is None else parent.id)):
        place = flow.task_index.get(run.task_id)
        if place is None or run.id in kept:
            continue
        if place.branch in ("errors", "finally") or (parent is None and is_branch(place.branch)):
            remove_with_all_below(execution, run)


def restart_run(flow: Flow, execution: Execution, run: TaskRun, now: datetime, *, is_copy: bool = False) -> None:
    """The run is done again: a flowable's tasks from the first on, any other as RESTARTED with its attempts kept.

    In a copy, executions that the original has started are the original's: they are not restarted."""
    remove_below(execution, run)
    place = flow.task_index.get(run.task_id)
    # A flowable that failed by itself has to be opened anew.
    is_open = place is not None and isinstance(place.task, FlowableTask) and run.state not in _BAD
    state = State.RUNNING if is_open else State.RESTARTED
    _forget_end(execution, run)
    if is_copy:
        run.memory.pop("restarted", None)
    else:
        run.memory["restarted"] = True
    execution.move_run(run, state, now)


def set_state(execution: Execution, run: TaskRun, state: State, now: datetime) -> None:
    """By hand: the run and its last attempt."""
    if state is not run.state:
        execution.move_run(run, state, now)
    if run.attempts and state.is_terminal:
        run.attempts[-1].move(state, now)
    run.memory.pop("wakes_as", None)
    execution.touch(run)


def copy_with_runs(execution: Execution, new_id: Callable[[], str], revision: int) -> Execution:
    return copied(execution, new_id, revision)[0]


def copied(execution: Execution, new_id: Callable[[], str], revision: int) -> tuple[Execution, dict[str, str]]:
    """A new execution of the same past, and its runs' ids by those of the original."""
    copy = Execution(
        id=new_id(),
        namespace=execution.namespace,
        flow_id=execution.flow_id,
        flow_revision=revision,
        state=execution.state,
        histories=list(execution.histories),
        inputs=deepcopy(execution.inputs),
        labels=deepcopy(execution.labels),
        variables=deepcopy(execution.variables),
        trigger=deepcopy(execution.trigger),
        parent_id=execution.id,
        original_id=execution.original_id or execution.id,
        depth=execution.depth,
        attempt_number=execution.attempt_number,
        original_created=execution.original_created,
        kind=execution.kind,
        memory={"announced": len(execution.histories), **_kept(execution)},
    )
    ordered = sorted(execution.runs.values(), key=lambda run: run.seq)
    ids = {run.id: new_id() for run in ordered}
    for run in ordered:
        copy.add(
            replace(
                run,
                id=ids[run.id],
                parent_id=None if run.parent_id is None else ids[run.parent_id],
                histories=list(run.histories),
                attempts=[replace(attempt, histories=list(attempt.histories)) for attempt in run.attempts],
                outputs=deepcopy(run.outputs),
                memory=deepcopy(run.memory),
                seq=0,
            )
        )
    return copy, ids


def drop_unknown(flow: Flow, execution: Execution) -> None:
    """Runs of tasks that the flow's revision does not have any more."""
    for run in sorted(execution.runs.values(), key=lambda run: run.seq):
        if run.id in execution.runs and not run.dynamic and run.task_id not in flow.task_index:
            remove_with_all_below(execution, run)


def drop_successors(flow: Flow, execution: Execution, target: TaskRun) -> None:
    """Remove every run that could only start after the target, on its level and on those above."""
    run: TaskRun | None = target
    while run is not None:
        parent = None if run.parent_id is None else execution.runs[run.parent_id]
        task = None if parent is None else flow.task_index[parent.task_id].task
        here = child_of(flow, run)
        for sibling in list(execution.children(run.parent_id)):
            if sibling.id == run.id:
                continue
            other = child_of(flow, sibling)
            if isinstance(task, FlowableTask):
                after = task.comes_after(other, here)
            else:
                after = other.position > here.position
            if other.branch == here.branch and after:
                remove_with_all_below(execution, sibling)
        run = parent


def _kept(execution: Execution) -> dict[str, Any]:
    """What a copy goes on remembering."""
    return {key: deepcopy(execution.memory[key]) for key in ("vars",) if key in execution.memory}


def _forget_end(execution: Execution, run: TaskRun) -> None:
    for key in ("end", "round"):
        run.memory.pop(key, None)
    execution.touch(run)
