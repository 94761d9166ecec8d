"""One batch of claimed executions through the engine: messages in, aggregates moved, effects gathered. Writes nothing
but concurrency slots, whose answers the engine needs at once."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import psycopg

from executions import slots
from executions.ids import new_id
from executions.messages import (
    ActionAsked,
    ExecutionChanged,
    Message,
    SlotGranted,
    SlotRefused,
    SubflowStarted,
    from_json,
)
from executions.queue.postgres import Claimed
from executions.state import Execution
from executions.transitions import control
from executions.transitions import effects as fx
from executions.transitions.advance import TELL_PARENT, advance
from executor import listening
from executor.cache import StateCache, obtain
from executor.children import start_child
from executor.connections import Connection
from executor.services import EngineServices
from flows import catalog
from flows.definition.model import Flow
from flows.expressions.render import Call

Json = Any
Answers = Mapping[Call, Any]
SLOTS = (fx.AcquireSlot, fx.ReleaseSlot, fx.StartExecution)


@dataclass(slots=True)
class Handled:
    """One execution of a batch. With `calls`, the engine waits for answers and nothing of it may be saved."""

    claimed: Claimed
    execution: Execution
    flow: Flow
    answers: Answers
    told: int  # states of its history that were there before
    effects: list[fx.Effect] = field(default_factory=list)
    open: list[fx.Effect] = field(default_factory=list)  # asked of us, not answered yet
    children: list[Execution] = field(default_factory=list)
    calls: tuple[Call, ...] = ()
    ended: bool = False
    dropped: list[str] = field(default_factory=list)

    @property
    def is_changed(self) -> bool:
        execution = self.execution
        return bool(execution.changed or execution.touched or execution.removed)


class Handler:
    """Stateless but for the cache. `now` is the database's clock."""

    def __init__(self, cache: StateCache, now: Callable[[], datetime]) -> None:
        self.cache, self.now = cache, now

    def handle(
        self, connection: Connection, claimed: Sequence[Claimed], answers: Mapping[str, Answers]
    ) -> list[Handled]:
        """Raises whatever the engine raises: the batch is rolled back then."""
        aggregates = obtain(connection, claimed, self.cache)
        batch = []
        for one in claimed:
            execution = aggregates[one.execution_id]
            flow = catalog.load(connection, execution.namespace, execution.flow_id, execution.flow_revision)
            handled = Handled(one, execution, flow, answers.get(one.execution_id, {}), len(execution.histories))
            self._take(handled, [from_json(message.type, message.body) for message in one.messages])
            batch.append(handled)
        self._answer(connection, batch)
        self._listen(connection, [handled for handled in batch if not handled.calls])
        return batch

    def _listen(self, connection: Connection, ready: Sequence[Handled]) -> None:
        """What flow triggers start on account of this batch is saved with it."""
        changes = [change for one in ready for change in listening.changes_of(one.execution, one.flow, one.effects)]
        started = listening.hear(connection, changes, self.now())
        if started.executions:
            ready[0].children.extend(started.executions)
        heard = {handled.execution.id: handled for handled in ready}
        for execution, line in started.logs:
            heard[execution.id].effects.append(line)

    def _take(self, handled: Handled, messages: list[Message]) -> None:
        """Actions that other executions ask for are applied first, each at its place in the order."""
        waiting: list[Message] = []
        for message in messages:
            if not isinstance(message, ActionAsked):
                waiting.append(message)
                continue
            self._advance(handled, waiting)
            if handled.calls:
                return  # half changed: nothing may act on it
            waiting = []
            if changed := self._act(handled, message):
                waiting.append(changed)
        self._advance(handled, waiting)

    def _act(self, handled: Handled, asked: ActionAsked) -> Message | None:
        execution, flow = handled.execution, handled.flow
        try:
            if asked.action == "kill":
                control.kill(flow, execution, self.now())
            elif asked.action == "restart":
                if asked.parent_task_run is not None:
                    execution.parent_task_run = asked.parent_task_run
                step = control.restart(flow, execution, self.now(), new_id)
                handled.effects.extend(step.effects)
            else:
                raise ValueError(f"unknown action {asked.action!r}")
        except control.Refused as refused:
            handled.dropped.append(f"{asked.action}: {refused}")
            if asked.parent_task_run is None:
                return None
            # Somebody else has restarted it meanwhile: the parent waits for its (next) end, whatever brings it.
            execution.changed = True
            return ExecutionChanged(TELL_PARENT) if execution.state.is_terminal else None
        return ExecutionChanged(asked.action)

    def _advance(self, handled: Handled, messages: Sequence[Message]) -> None:
        if not messages or handled.calls:
            return
        now = self.now()
        services = EngineServices(now)
        step = advance(handled.flow, handled.execution, messages, now, new_id, services, handled.answers)
        self._note(handled, step)

    def _note(self, handled: Handled, step: fx.Step) -> None:
        if step.resolve is not None:
            handled.calls = step.resolve.calls
            return
        handled.effects.extend(step.effects)
        handled.open.extend(effect for effect in step.effects if isinstance(effect, SLOTS))
        handled.ended = step.ended
        handled.dropped.extend(step.dropped)

    def _answer(self, connection: Connection, batch: Sequence[Handled]) -> None:
        """Slots and started executions are answered within the same transaction, until nobody asks any more."""
        asking = [handled for handled in batch if handled.open and not handled.calls]
        if not asking:
            return
        limited = [h.execution for h in asking if h.flow.concurrency is not None]
        slots.hold(connection, [(execution.namespace, execution.flow_id) for execution in limited])
        for handled in asking:
            while handled.open and not handled.calls:
                asked, handled.open = handled.open, []
                self._advance(handled, self._answers_to(connection, handled, asked))

    def _answers_to(self, connection: Connection, handled: Handled, asked: Sequence[fx.Effect]) -> list[Message]:
        answers: list[Message] = []
        for effect in asked:
            if isinstance(effect, fx.AcquireSlot):
                answers.extend(self._acquire(connection, handled, effect))
            elif isinstance(effect, fx.ReleaseSlot):
                limit = handled.flow.concurrency.limit if handled.flow.concurrency else 0
                slots.release(connection, handled.execution, limit, self.now())
            elif isinstance(effect, fx.StartExecution):
                answers.append(self._start(connection, handled, effect))
        return answers

    def _acquire(self, connection: Connection, handled: Handled, effect: fx.AcquireSlot) -> list[Message]:
        wait = effect.behavior == "QUEUE"
        has_slot, date = slots.acquire(connection, handled.execution, effect.limit, self.now(), wait=wait)
        return [SlotGranted(date) if has_slot else SlotRefused(effect.behavior, date)]

    def _start(self, connection: Connection, handled: Handled, effect: fx.StartExecution) -> Message:
        waiting = effect.parent_task_run or {}
        error = None
        try:
            handled.children.append(start_child(connection, handled.execution, effect, self.now()))
        except psycopg.Error:
            raise
        except Exception as refused:  # a missing flow, refused inputs: the parent's task fails with the reason
            error = str(refused) or type(refused).__name__
        return SubflowStarted(
            task_run_id=waiting.get("taskRunId", ""),
            token=waiting.get("token", ""),
            child_id=effect.execution_id,
            error=error,
            iteration=effect.iteration,
            namespace=effect.namespace,
            flow_id=effect.flow_id,
        )
