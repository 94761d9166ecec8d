"""What users do to an execution. Each action is defined for every state: it moves the aggregate, or is refused with the
reason. Effects are left to `advance`, which sees the new state with the ExecutionChanged that is sent along; only
copies (replay, restart on another revision) are returned as effects."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime

from executions.state import Execution, Json, TaskRun
from executions.transitions import breakpoints, pauses, reopening
from executions.transitions.again import fresh_copy
from executions.transitions.effects import CopyExecution, Step
from flows.definition.model import Flow
from flows.definition.states import TERMINAL, State

S = State
# In these states an execution may be acted on by …
KILLABLE = frozenset({S.CREATED, S.QUEUED, S.RUNNING, S.PAUSED, S.BREAKPOINT, S.RESTARTED, S.RETRYING, S.KILLING})
PAUSABLE = frozenset({S.RUNNING, S.RETRYING})
RESUMABLE = frozenset(state for state in S if state.is_paused)
FORCEABLE = frozenset({S.CREATED, S.QUEUED, S.RUNNING, S.PAUSED, S.BREAKPOINT, S.RESTARTED, S.RETRYING})
UNQUEUED = frozenset({S.RUNNING, S.CANCELLED, S.FAILED})
ENDS = frozenset({S.SUCCESS, S.WARNING, S.FAILED, S.KILLED, S.CANCELLED})
SETTABLE = frozenset({S.SUCCESS, S.WARNING, S.FAILED, S.KILLED, S.CANCELLED, S.RUNNING})
SYSTEM = "system."
_RESTARTABLE = (TERMINAL | {S.PAUSED}) - {S.SUCCESS, S.WARNING, S.SKIPPED}
# For the documents: the states in which each action does something. What a state refuses, the functions below tell.
ACTS_IN: dict[str, frozenset[State]] = {
    "kill": KILLABLE,
    "pause": PAUSABLE,
    "resume": RESUMABLE,
    "restart": _RESTARTABLE,
    "replay": frozenset(S),
    "replay-from": TERMINAL,
    "force-run": FORCEABLE,
    "unqueue": frozenset({S.QUEUED}),
    "change-status": TERMINAL - {S.SKIPPED},
    "set-state": (TERMINAL | {S.PAUSED}) - {S.SKIPPED},
    "labels": frozenset(S),
    "from-breakpoint": frozenset({S.BREAKPOINT}),
}


class Refused(Exception):
    """The action makes no sense in this state (409), or for what it asks (`unprocessable`: 422)."""

    def __init__(self, reason: str, *, unprocessable: bool = False) -> None:
        super().__init__(reason)
        self.reason, self.unprocessable = reason, unprocessable


def kill(flow: Flow, execution: Execution, now: datetime, *, cascade: bool = True) -> Step:
    """Killing twice is one kill."""
    if execution.state not in KILLABLE:
        raise Refused(f"Execution is already finished, can't kill it: it is {execution.state}")
    if execution.state is not S.KILLING:
        execution.memory.pop("target", None)
        execution.memory["cascade"] = cascade
    execution.move(S.KILLING, now)
    execution.changed = True
    return Step()


def pause(flow: Flow, execution: Execution, now: datetime) -> Step:
    """What runs goes on to its end, nothing new starts."""
    if execution.state not in PAUSABLE:
        raise Refused(f"Execution is not running, can't pause it: it is {execution.state}", unprocessable=True)
    execution.move(S.PAUSED, now)
    return Step()


def paused_run(execution: Execution) -> TaskRun | None:
    """The task run that a resume wakes: the first that is paused; None after a pause by hand."""
    paused = (run for run in execution.runs.values() if run.state is S.PAUSED)
    return min(paused, key=lambda run: run.seq, default=None)


def resume(
    flow: Flow, execution: Execution, now: datetime, *, inputs: Mapping[str, Json] | None = None, by: str | None = None
) -> Step:
    """Wake the first paused task run; the execution goes on when none is left. `inputs` are checked already."""
    if execution.state is S.BREAKPOINT:
        return resume_from_breakpoint(flow, execution, now)
    if execution.state not in RESUMABLE:
        raise Refused(f"Execution is not paused, can't resume it: it is {execution.state}")
    run = paused_run(execution)
    if run is not None:
        execution.move_run(run, S.RUNNING, now)
        run.memory.pop("wakes_as", None)
        if inputs:
            run.outputs = {**(run.outputs or {}), "onResume": dict(inputs)}
        pauses.note_end(run, S.RUNNING, now, by)
    if paused_run(execution) is None:
        execution.move(S.RESTARTED, now)
    execution.changed = True
    return Step()


def resume_from_breakpoint(
    flow: Flow, execution: Execution, now: datetime, points: breakpoints.Points | None = None
) -> Step:
    """Go on with the tasks that wait at a breakpoint; from now on it stops at `points`, if they are given."""
    if execution.state is not S.BREAKPOINT:
        raise Refused(f"Execution is not at a breakpoint, can't resume it: it is {execution.state}")
    breakpoints.let_go(execution, now, points)
    # A Pause that waits beside it goes on waiting, and what was let go with it.
    execution.move(S.RESTARTED if paused_run(execution) is None else S.PAUSED, now)
    execution.changed = True
    return Step()


def restart(
    flow: Flow, execution: Execution, now: datetime, new_id: Callable[[], str], *, revision: int | None = None
) -> Step:
    """Go on from what failed. With `revision` (`flow` is that one) a new execution does, from a copy of the runs."""
    if execution.state is S.PAUSED and revision is None:
        return resume(flow, execution, now)
    if not execution.state.is_terminal or execution.state is S.SKIPPED:
        raise Refused(f"Execution must be terminated to be restarted, current state is '{execution.state}' !")
    failed = reopening.failed_runs(flow, execution)
    if not failed and execution.state in (S.SUCCESS, S.WARNING):
        raise Refused("No task found to restart execution from!", unprocessable=True)
    if revision is None:
        _reopen(flow, execution, failed, now)
        return Step()
    copy = reopening.copy_with_runs(execution, new_id, revision)
    reopening.drop_unknown(flow, copy)
    _reopen(flow, copy, reopening.failed_runs(flow, copy), now, is_copy=True)
    return Step(effects=[CopyExecution(copy)])


def replay(
    flow: Flow,
    execution: Execution,
    now: datetime,
    new_id: Callable[[], str],
    *,
    task_run_id: str | None = None,
    revision: int | None = None,
    inputs: Mapping[str, Json] | None = None,
    points: breakpoints.Points | None = None,
) -> Step:
    """A new execution: the whole again, or from a task run on, what came before it taken over. It stops at `points`."""
    if task_run_id is None:
        copy = fresh_copy(execution, new_id(), now)
        copy.attempt_number, copy.original_created = 1, now
        copy.flow_revision = execution.flow_revision if revision is None else revision
    else:
        copy = _replay_from(flow, execution, now, new_id, task_run_id, revision)
    if inputs is not None:
        copy.inputs = dict(inputs)
    if points:
        copy.memory[breakpoints.KEY] = list(points)
    return Step(effects=[CopyExecution(copy)])


def force_run(flow: Flow, execution: Execution, now: datetime) -> Step:
    """Run now, whatever its date or its flow's limit; one that runs is looked through for what got stuck."""
    if execution.state in RESUMABLE:
        return resume(flow, execution, now)
    if execution.state not in FORCEABLE:
        raise Refused(f"Execution can't be forced to run: it is {execution.state}")
    if execution.state in (S.CREATED, S.QUEUED, S.RESTARTED):
        execution.move(S.RUNNING, now)
    execution.changed = True
    return Step()


def unqueue(flow: Flow, execution: Execution, now: datetime, state: State = S.RUNNING) -> Step:
    """Take it out of the queue for its flow's limit: to run, or to its end."""
    if execution.state is not S.QUEUED:
        raise Refused(f"Execution is not queued, can't unqueue it: it is {execution.state}")
    if state not in UNQUEUED:
        raise Refused(f"A queued execution can't become {state}", unprocessable=True)
    execution.move(state, now)
    if state.is_terminal:
        execution.memory["closing"] = True
    return Step()


def change_status(flow: Flow, execution: Execution, now: datetime, state: State) -> Step:
    """Another end state for an execution that has ended."""
    if not execution.state.is_terminal or execution.state is S.SKIPPED:
        raise Refused(f"Execution is not terminated, can't change its status: it is {execution.state}")
    if state not in ENDS:
        raise Refused(f"The new status must be an end, not {state}", unprocessable=True)
    execution.move(state, now)
    execution.changed = True
    return Step()


def set_task_state(flow: Flow, execution: Execution, now: datetime, task_run_id: str, state: State) -> Step:
    """The task run takes the state by hand, and the execution goes on from there."""
    if not execution.state.is_terminal and execution.state is not S.PAUSED:
        raise Refused(f"Execution must be terminated or paused to change a task run: it is {execution.state}")
    run = execution.runs.get(task_run_id)
    if run is None:
        raise Refused(f"Execution has no task run {task_run_id[:60]}", unprocessable=True)
    if state not in SETTABLE or execution.state is S.SKIPPED:
        raise Refused(f"A task run can't be set to {state}", unprocessable=True)
    paused = execution.state is S.PAUSED
    reopening.open_above(flow, execution, run, now)
    reopening.set_state(execution, run, state, now)
    if not paused or paused_run(execution) is None:
        _restarted(execution, now)
    execution.changed = True
    return Step()


def set_labels(
    flow: Flow, execution: Execution, now: datetime, labels: Sequence[Mapping[str, str]], *, replace: bool = False
) -> Step:
    """The given ones come over those it has, or in their place; system labels are not for users and stay."""
    kept = [label for label in execution.labels if not replace or label["key"].startswith(SYSTEM)]
    merged = {label["key"]: label["value"] for label in kept}
    for label in labels:
        key, value = label.get("key"), label.get("value")
        if not key or value is None or key.startswith(SYSTEM):
            raise Refused(f"Invalid label: {key}: {value}", unprocessable=True)
        merged[key] = value
    execution.labels = [{"key": key, "value": value} for key, value in merged.items()]
    execution.changed = True
    return Step()


def _reopen(
    flow: Flow, execution: Execution, failed: Sequence[TaskRun], now: datetime, *, is_copy: bool = False
) -> None:
    for run in failed:
        if run.id not in execution.runs:
            continue  # it came of an earlier failure (in `errors` or `finally`), and is gone with that
        reopening.open_above(flow, execution, run, now)
        reopening.restart_run(flow, execution, run, now, is_copy=is_copy)
    if not failed:
        reopening.open_level(flow, execution, None)
    execution.attempt_number += 1
    execution.outputs = None
    execution.error = None
    _restarted(execution, now)


def _restarted(execution: Execution, now: datetime) -> None:
    for key in ("after", "killing", "target", "cascade", "closing", "leaving"):
        execution.memory.pop(key, None)
    execution.move(S.RESTARTED, now)
    execution.changed = True


def _replay_from(
    flow: Flow,
    execution: Execution,
    now: datetime,
    new_id: Callable[[], str],
    task_run_id: str,
    revision: int | None,
) -> Execution:
    if not execution.state.is_terminal:
        raise Refused(f"Execution must be terminated to be replayed from a task: it is {execution.state}")
    if task_run_id not in execution.runs:
        raise Refused(f"No task found to restart execution from: {task_run_id[:60]}", unprocessable=True)
    copy, ids = reopening.copied(execution, new_id, execution.flow_revision if revision is None else revision)
    run = reopening.job_of(flow, copy, copy.runs[ids[task_run_id]])
    if reopening.is_after_end(flow, run):
        raise Refused(f"`{run.task_id}` runs after the end, an execution can't be replayed from it", unprocessable=True)
    reopening.drop_unknown(flow, copy)
    if run.id not in copy.runs:
        raise Refused(f"Revision {revision} has no task `{run.task_id}`", unprocessable=True)
    reopening.drop_successors(flow, copy, run)
    reopening.open_above(flow, copy, run, now)
    reopening.restart_run(flow, copy, run, now, is_copy=True)
    copy.attempt_number, copy.original_created = 1, now
    copy.outputs = None
    copy.error = None
    _restarted(copy, now)
    return copy
