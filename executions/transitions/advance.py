"""The engine: (flow, execution, messages, now) to a Step. Pure: everything outside is an argument or an effect.

A message is joined into the execution (`join`, `subflows`, `wake`); what ended is followed up the tree (`tree`), what
is unlocked is started (`start`); the last end ends the execution (`ending`) and what runs after it (`aftermath`).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, assert_never

from executions.messages import (
    ActionAsked,
    ExecutionChanged,
    ExecutionCreated,
    Message,
    Poisoned,
    SlotGranted,
    SlotRefused,
    SubflowEnded,
    SubflowStarted,
    TaskFinished,
    TaskStarted,
    TimerFired,
)
from executions.state import Execution
from executions.transitions import (
    admission,
    aftermath,
    ending,
    join,
    killing,
    sla,
    start,
    subflows,
    tree,
    wake,
)
from executions.transitions.effects import Resolve, Step, StopTasks
from executions.transitions.turn import Turn
from flows.definition.model import Flow
from flows.definition.states import State
from flows.expressions.render import Call, ExpressionError, NeedsResolve, Random, Services

# An ExecutionChanged of this action only tells the waiting parent of the end once more.
TELL_PARENT = "tell-parent"
# In these states nothing new starts; results are joined, and found again when the execution goes on.
HALTED = frozenset({State.CREATED, State.QUEUED, State.PAUSED, State.BREAKPOINT, State.RESTARTED})


def advance(
    flow: Flow,
    execution: Execution,
    messages: Sequence[Message],
    now: datetime,
    new_id: Callable[[], str],
    services: Services,
    answers: Mapping[Call, object],
) -> Step:
    """Apply the messages and go on as far as possible without the outside.

    With `resolve` set, the aggregate is half changed: it must be thrown away, and the call repeated with the answers."""
    turn = Turn(flow, execution, now, new_id, Answered(services, answers))
    try:
        for message in messages:
            _handle(turn, message)
        if flow.sla and execution.state in (State.RUNNING, State.RETRYING):
            sla.check(turn)
            _go_on(turn)
    except NeedsResolve as question:
        return Step(resolve=Resolve((question.call,)))
    turn.announce()
    turn.step.ended = aftermath.is_over(turn)
    return turn.step


def _handle(turn: Turn, message: Message) -> None:
    halted = turn.execution.state in HALTED
    goes_on = _apply(turn, message)
    if goes_on:
        _walk(turn)
    elif halted and turn.execution.state in HALTED:
        turn.drop_todo()
    _go_on(turn)


def _go_on(turn: Turn) -> None:
    """Start what is unlocked and follow up what has ended, until nothing is left to do."""
    while turn.execution.state is not State.KILLING and (run := turn.pop()) is not None:
        if run.state.is_terminal:
            tree.follow(turn, run)
        else:
            start.start(turn, run)
    if turn.execution.state is State.KILLING:
        killing.proceed(turn)
        if turn.todo:
            _go_on(turn)


def _walk(turn: Turn) -> None:
    """Go through the whole tree to where it stopped: after a start, a restart, a pause, a change by hand."""
    turn.seen.clear()
    turn.walking = True
    tree.begin(turn, tree.level_of(turn, None))
    _go_on(turn)
    turn.walking = False


def _apply(turn: Turn, message: Message) -> bool:
    """Join one message. True when the execution goes on from where it stood."""
    match message:
        case ExecutionCreated():
            return admission.created(turn)
        case ExecutionChanged() if message.action == TELL_PARENT:
            ending.tell_parent(turn)
        case ExecutionChanged():
            return admission.changed(turn)
        case SlotGranted():
            return admission.granted(turn, message.date)
        case SlotRefused():
            admission.refused(turn, message.behavior, message.date)
        case TaskStarted():
            join.started(turn, message)
        case TaskFinished():
            join.finished(turn, message)
        case SubflowStarted():
            subflows.started(turn, message)
        case SubflowEnded():
            subflows.ended(turn, message)
        case TimerFired():
            return wake.fired(turn, message)
        case Poisoned():
            _poisoned(turn, message.reason)
        case ActionAsked():
            raise ValueError("actions are applied by `control` before the engine sees the execution")
        case _:
            assert_never(message)
    return False


def _poisoned(turn: Turn, reason: str) -> None:
    """Handling it failed again and again: everything ends as it stands."""
    execution = turn.execution
    if execution.state.is_terminal:
        return
    stopped = [run.id for run in execution.runs.values() if not run.state.is_terminal]
    for run_id in reversed(stopped):
        killing.close_run(turn, execution.runs[run_id], State.FAILED)
    if stopped:
        turn.emit(StopTasks(tuple(stopped)))
    execution.error = reason
    execution.changed = True
    turn.log("ERROR", reason)
    ending.close(turn, State.FAILED)


@dataclass(frozen=True, slots=True)
class Answered:
    """The services of expressions, with the answers that were fetched for an earlier call of `advance`."""

    services: Services
    answers: Mapping[Call, object]

    @property
    def limits(self) -> Any:
        return getattr(self.services, "limits", None)

    @property
    def variables(self) -> Mapping[str, Any]:
        """`envs` and `globals`: of the process, not of the execution."""
        return getattr(self.services, "variables", {})

    @property
    def reveal(self) -> Callable[[Any], Any] | None:
        """Opens sealed secrets, as values marked as secret."""
        return getattr(self.services, "reveal", None)

    def now(self) -> datetime:
        return self.services.now()

    def timezone(self) -> str:
        return self.services.timezone()

    def random(self) -> Random:
        return self.services.random()

    def call(self, name: str, arguments: dict[str, object]) -> object:
        try:
            return self.services.call(name, arguments)
        except NeedsResolve as question:
            if question.call not in self.answers:
                raise
            answer = self.answers[question.call]
        if isinstance(answer, ExpressionError):
            raise answer
        return answer
