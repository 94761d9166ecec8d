"""What the end of a task run unlocks: the next runs beside it, then `errors`, then `finally`, then the end of its parent.

Everything is decided from the execution's indexes, so one result costs O(depth) whatever the number of task runs,
and deciding again (after a restart, a pause, a duplicate) comes to the same.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from executions.state import TaskRun
from executions.transitions import aftermath, ending, rounds
from executions.transitions.conclude import FAILURES, allowed
from executions.transitions.turn import Turn
from flows.definition.states import State
from flows.tasks.base import FlowableTask, Next, Task, enabled, in_order

# The worst first: what the runs of a list make of the run above them.
_SEVERITY = (State.KILLED, State.CANCELLED, State.FAILED, State.WARNING)
# A run to be done again, by a replay or by hand, stands in the way of those before it until its turn comes.
_WAITING = (State.CREATED, State.RESTARTED)
_STOPPED = (State.KILLED, State.CANCELLED)
# In the execution's memory: the state that it is to end in (Exit). What runs goes on, nothing new starts.
LEAVING = "leaving"


@dataclass(frozen=True, slots=True)
class Level:
    """Where task runs live: the execution itself (`run` and `task` None) or another run."""

    run: TaskRun | None
    task: Task | None
    errors: tuple[Task, ...]
    finals: tuple[Task, ...]
    beside: tuple[Task, ...] = ()  # run, but mean nothing

    @property
    def id(self) -> str | None:
        return None if self.run is None else self.run.id


def level_of(turn: Turn, run: TaskRun | None) -> Level:
    """The level below a run, or of the execution."""
    if run is None:
        return Level(None, None, enabled(turn.flow.errors), enabled(turn.flow.finally_))
    task = turn.task(run)
    beside = task.side_tasks() if isinstance(task, FlowableTask) else ()
    return Level(run, task, enabled(task.error_tasks()), enabled(task.finally_tasks()), tuple(beside))


def above(turn: Turn, run: TaskRun) -> Level:
    """The level that a run stands in."""
    return level_of(turn, None if run.parent_id is None else turn.execution.runs[run.parent_id])


def begin(turn: Turn, level: Level) -> None:
    """Start what comes first; what is there already is walked through to where it stopped."""
    if LEAVING in turn.execution.memory:
        pass
    elif level.run is None:
        spawn(turn, level, in_order(turn.flow.tasks))
    elif isinstance(level.task, FlowableTask) and "end" not in level.run.memory:
        spawn(turn, level, level.task.first(turn.view(level.run)))
    if turn.walking:
        _visit(turn, level)
    settle(turn, level)


def _visit(turn: Turn, level: Level) -> None:
    """Every run that is there goes on from where it stopped: not to each of them leads a chain from the first."""
    for run in list(turn.execution.children(level.id)):
        if run.id not in turn.seen and not aftermath.is_part(turn, run):
            turn.push(run)


def follow(turn: Turn, run: TaskRun) -> None:
    """A run has ended: start what it unlocks, and end its parent when nothing is left."""
    if aftermath.is_part(turn, run):
        aftermath.follow(turn, run)
        return
    level = above(turn, run)
    if not _is_going(turn, level):
        return
    if LEAVING not in turn.execution.memory:
        spawn(turn, level, _unlocked(turn, level, run))
    settle(turn, level)


def spawn(turn: Turn, level: Level, wanted: Sequence[Next]) -> None:
    """Create the runs that do not exist yet; walk on from those that do."""
    for item in wanted:
        run = turn.execution.at(level.id, item.task.id, item.value)
        if run is None:
            turn.create(item, level.id)
        elif run.id not in turn.seen and (turn.walking or run.state.is_terminal or run.state in _WAITING):
            turn.push(run)


def settle(turn: Turn, level: Level) -> None:
    """End the level when nothing below it is open, by way of `errors` and `finally`."""
    if turn.execution.open_children.get(level.id, 0) or turn.waiting[level.id] or not _is_going(turn, level):
        return
    leaving = turn.execution.memory.get(LEAVING)
    worst = worst_of_tasks(turn, level) if leaving is None else State(leaving)
    if worst in _STOPPED or leaving is not None:
        _end(turn, level, worst)
        return
    state = _closing_state(turn, level, worst)
    if state is None:
        return
    if state is State.FAILED and level.errors and not _has_started(turn, level, level.errors):
        _remember_end(level, turn, state)
        spawn(turn, level, [Next(level.errors[0])])
    elif level.finals and not _has_started(turn, level, level.finals):
        _remember_end(level, turn, state)
        spawn(turn, level, [Next(level.finals[0])])
    else:
        _end(turn, level, state)


def worst_of_tasks(turn: Turn, level: Level) -> State:
    """The worst end among the runs of `tasks`; `errors`, `finally` and side tasks never count (guessFinalState)."""
    counts = turn.execution.tally.get(level.id, {})
    if not any(counts.get(state) for state in _SEVERITY):
        return State.SUCCESS
    counts = dict(counts)
    for task in (*level.errors, *level.finals, *level.beside, *(aftermath.tasks(turn) if level.run is None else ())):
        run = turn.execution.at(level.id, task.id)
        if run is not None:
            counts[run.state] -= 1
    return next((state for state in _SEVERITY if counts.get(state, 0) > 0), State.SUCCESS)


def _is_going(turn: Turn, level: Level) -> bool:
    if level.run is None:
        return not turn.execution.state.is_terminal
    return level.run.state is State.RUNNING and "round" not in level.run.memory


def _unlocked(turn: Turn, level: Level, run: TaskRun) -> Sequence[Next]:
    child = turn.child(run)
    if child.branch == "errors":
        return in_order(level.errors, _index(level.errors, run))
    if child.branch == "finally":
        return in_order(level.finals, _index(level.finals, run))
    worst = worst_of_tasks(turn, level)
    if worst is State.FAILED:
        return [Next(task) for task in level.errors[:1]]
    if worst in _STOPPED:
        return ()
    if level.run is None:
        return in_order(turn.flow.tasks, child.position)
    if isinstance(level.task, FlowableTask):
        return level.task.following(turn.view(level.run), child)
    return ()


def _index(tasks: Sequence[Task], run: TaskRun) -> int:
    return next((index for index, task in enumerate(tasks) if task.id == run.task_id), len(tasks))


def _has_started(turn: Turn, level: Level, tasks: Sequence[Task]) -> bool:
    return turn.execution.at(level.id, tasks[0].id) is not None


def _closing_state(turn: Turn, level: Level, worst: State) -> State | None:
    """The state that the level's tasks come to; None when it goes on for another round."""
    if level.run is None:
        return worst
    if "end" in level.run.memory:
        return State(level.run.memory["end"])
    if worst is State.FAILED or not isinstance(level.task, FlowableTask):
        return worst
    try:
        closing = level.task.close(turn.view(level.run))
    except FAILURES as error:
        turn.log("ERROR", str(error), level.run)
        return State.FAILED
    if closing.outputs is not None:
        level.run.outputs = closing.outputs
        turn.execution.touch(level.run)
    if closing.reason is not None:
        turn.log("WARN", closing.reason, level.run)
    if closing.again is not None:
        rounds.wait(turn, level.run, closing.again)
        return None
    return worst if closing.state is None else closing.state


def _remember_end(level: Level, turn: Turn, state: State) -> None:
    if level.run is not None:
        level.run.memory["end"] = state.value
        turn.execution.touch(level.run)


def _end(turn: Turn, level: Level, state: State) -> None:
    if level.run is None:
        ending.finish(turn, state)
        return
    task = turn.task(level.run)
    if isinstance(task, FlowableTask):
        state = task.outcome(state)
    turn.move_run(level.run, allowed(task, state))
    turn.push(level.run)
