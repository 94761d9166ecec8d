"""What runs when an execution is over: `listeners` whose conditions hold, then `afterExecution`, one after the other.

It changes nothing about the execution's state any more.
"""

from collections.abc import Sequence

from executions.state import TaskRun
from executions.transitions.turn import Turn
from flows.definition.states import State
from flows.expressions.render import ExpressionError
from flows.tasks.base import Next, Task, enabled
from flows.triggers.base import Facts


def is_branch(branch: str) -> bool:
    return branch == "afterExecution" or branch.startswith("listeners.")


def is_part(turn: Turn, run: TaskRun) -> bool:
    place = turn.place(run)
    return run.parent_id is None and place is not None and is_branch(place.branch)


def tasks(turn: Turn) -> tuple[Task, ...]:
    """Every task that may run after an end."""
    listeners = [task for listener in turn.flow.listeners for task in listener.tasks]
    return (*listeners, *turn.flow.after_execution)


def begin(turn: Turn) -> None:
    chosen = [task.id for task in _chosen(turn)]
    if turn.execution.state is State.RETRIED:
        chosen = []
    if turn.execution.memory.get("after", []) != chosen:
        turn.remember("after", chosen)
    _next(turn, chosen, 0)


def follow(turn: Turn, run: TaskRun) -> None:
    chosen = turn.execution.memory.get("after", [])
    if run.task_id in chosen:
        _next(turn, chosen, chosen.index(run.task_id) + 1)


def is_over(turn: Turn) -> bool:
    """Nothing of the execution runs any more."""
    return turn.execution.state.is_terminal and not turn.execution.open_children.get(None, 0)


def _next(turn: Turn, chosen: Sequence[str], index: int) -> None:
    if index < len(chosen):
        turn.create(Next(turn.flow.task_index[chosen[index]].task), None)


def _chosen(turn: Turn) -> list[Task]:
    found: list[Task] = []
    for listener in turn.flow.listeners:
        try:
            if all(condition.holds(_facts(turn)) for condition in listener.conditions):
                found.extend(enabled(listener.tasks))
        except ExpressionError as error:
            turn.log("WARN", f"The conditions of a listener cannot be evaluated: {error}")
    return [*found, *enabled(turn.flow.after_execution)]


def _facts(turn: Turn) -> Facts:
    execution = turn.execution
    return Facts(
        render=lambda template: turn.text(template, None),
        now=turn.now,
        namespace=execution.namespace,
        flow_id=execution.flow_id,
        state=execution.state,
        labels=execution.labels,
        outputs=execution.outputs or {},
        attempt_states=[attempt.state for run in execution.runs.values() for attempt in run.attempts],
    )
