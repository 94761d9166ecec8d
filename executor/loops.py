"""The claim loop, the only place where messages are taken and applied: claim, handle, save, commit, and go on."""

import os
import select
import threading
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from functools import partial
from typing import Any

import psycopg

from executions import store
from executions.queue import postgres as queue
from executions.queue.postgres import Claimed, Job, Received
from executor.connections import (
    LOST,
    Connection,
    close_quietly,
    connect,
    first_line,
    is_again,
    is_lost,
    is_transient,
)
from executor.full_look import FullLook
from executor.handlers import Answers, Handled, Handler
from executor.perform import Outgoing, tell_parent_of_failed
from executor.resolver import HELD, Resolver
from executor.telemetry import count, observe, tell

MAX_TRIES = 5
FIRST_PAUSE = 0.05  # back-off of a message: 50 ms, 200 ms, 800 ms, 3.2 s
IDLE_POLL = 0.5
FULL_BATCH_MESSAGES = queue.SCAN // 2
Claim = Callable[[Connection], list[Claimed]]
Ring = Callable[[Sequence[Job]], None]


class Loop:
    """One thread, one connection. Safe beside any number of others, in this process and elsewhere."""

    listens = True

    def __init__(self, name: str, handler: Handler, resolver: Resolver, poll: float, ring: Ring | None) -> None:
        self.name, self._handler, self._resolver = name, handler, resolver
        self._poll, self._ring = poll, ring
        self._stopping = threading.Event()
        self._connection: Connection | None = None
        self._notified = False
        self.mark = 0
        self._full_look = FullLook()
        self._busy_since: float | None = None
        self.helpers: list[Loop] = []  # woken when there is more to do than this loop can take
        self._inbox: list[tuple[str, Answers]] = []
        self._wake_read, self._wake_write = os.pipe()
        os.set_blocking(self._wake_write, False)
        os.set_blocking(self._wake_read, False)
        self.thread = threading.Thread(target=self._run, name=name, daemon=True)

    def stop(self) -> None:
        """The batch at hand is finished first."""
        self._stopping.set()
        self.wake()

    def deliver(self, execution_id: str, answers: Answers) -> None:
        """From the resolver's threads: go on with an execution that waited for answers."""
        self._inbox.append((execution_id, answers))
        self.wake()

    def is_busy_for(self, seconds: float) -> bool:
        """With one and the same batch."""
        since = self._busy_since
        return since is not None and time.monotonic() - since > seconds

    def wake(self) -> None:
        with suppress(BlockingIOError):  # full: it is awake already
            os.write(self._wake_write, b"x")

    # --- the loop

    def _run(self) -> None:
        pause, idle = 0.05, self._poll
        while not self._stopping.is_set():
            try:
                self._busy_since = time.monotonic()
                taken = self._turn()
                self._busy_since = None
                pause = 0.05
                if taken or self._notified or self._inbox:
                    idle = self._poll
                    if taken and self._is_full(taken):
                        for helper in self.helpers:
                            helper.wake()
                        continue
                if not self._notified and not self._inbox:
                    self._wait(idle)
                    idle = self._poll if self._notified else min(idle * 2, IDLE_POLL)
            except Exception as error:
                self._busy_since = None
                self._after(error, pause)
                pause = min(pause * 2, 2.0)
        self._disconnect()

    def _after(self, error: Exception, pause: float) -> None:
        """Nothing ends this loop: the transaction is undone, and tried again on a connection that works."""
        if is_lost(error):
            tell("database.lost", loop=self.name, error=first_line(error))
            count("connections_lost")
            self._disconnect()
        else:
            again = is_again(error)
            tell(
                "transaction.again" if again else "loop.failed",
                exc_info=not again,
                loop=self.name,
                error=first_line(error),
            )
            count("transactions_again" if again else "loop_failures")
            self._roll_back()
        self._stopping.wait(pause)

    def _turn(self) -> list[Claimed]:
        connection = self._connected()
        self._notified = False
        while self._inbox:
            execution_id, answers = self._inbox[0]
            self._go_on(connection, execution_id, answers)
            self._inbox.pop(0)
        taken = self._guarded(connection, self._claim_next, {})
        self._settle_mark(taken)
        return taken

    def _claim_next(self, connection: Connection) -> list[Claimed]:
        if self._full_look.is_due():
            with self._full_look:
                return _claim_some(0, True, connection)
        return _claim_some(max(self.mark - queue.LATE, 0), not self.listens, connection)

    def _go_on(self, connection: Connection, execution_id: str, answers: Answers) -> None:
        """Answers stay in the inbox while the database is away."""
        try:
            self._guarded(connection, partial(_claim_one, execution_id), {execution_id: answers})
        except Exception as error:
            if not is_transient(error):
                self._inbox.pop(0)
            raise

    @staticmethod
    def _is_full(taken: Sequence[Claimed]) -> bool:
        return len(taken) >= queue.BATCH or sum(len(one.messages) for one in taken) >= FULL_BATCH_MESSAGES

    def _guarded(self, connection: Connection, claim: Claim, answers: Mapping[str, Answers]) -> list[Claimed]:
        """One batch; when it fails for a reason of its own, one execution per transaction."""
        taken: list[Claimed] = []
        try:
            self._batch(connection, claim, answers, taken)
        except Exception as error:
            if is_transient(error) or not taken:
                raise
            connection.rollback()
            tell("batch.failed", loop=self.name, executions=len(taken), error=first_line(error))
            count("batches_failed")
            self._replay(connection, taken, answers)
        return taken

    def _batch(
        self, connection: Connection, claim: Claim, answers: Mapping[str, Answers], taken: list[Claimed]
    ) -> None:
        """The transaction: take messages, apply them, save, send. All of it or nothing."""
        begun = time.perf_counter()
        taken.extend(claim(connection))
        if not taken:
            connection.commit()  # a rollback would throw the connection's prepared statements away
            return
        claimed = time.perf_counter()
        batch = self._handler.handle(connection, taken, answers)
        handled_at = time.perf_counter()
        ready = [handled for handled in batch if not handled.calls]
        waiting = [handled for handled in batch if handled.calls]
        out = self._save(connection, ready, waiting)
        connection.commit()
        observe("claim", claimed - begun)
        observe("handler", handled_at - claimed)
        observe("batch", time.perf_counter() - begun)
        self._ring_database(connection, out)
        self._committed(ready, waiting, taken)
        if self._ring is not None and (made := out.made_jobs()):
            self._ring(made)

    def _save(self, connection: Connection, ready: Sequence[Handled], waiting: Sequence[Handled]) -> Outgoing:
        out = Outgoing()
        for handled in ready:
            out.add(handled.execution, handled.effects)
            out.creates.extend(handled.children)
        changed = [handled.execution for handled in ready if handled.is_changed]
        _stamp(ready, self._handler.now())
        # What an end has left goes with the hint that tells of it, not on account of a late message.
        out.ended = [handled.execution.id for handled in ready if handled.ended and handled.is_changed]
        with connection.pipeline():
            saved = store.send(connection, changed) if changed else None
            out.hints = [store.hint(execution) for execution in changed]
            out.send(connection)
            queue.put_back(connection, [handled.claimed for handled in waiting], HELD)
        if saved is not None:
            store.check_saved(saved, changed)
        return out

    @staticmethod
    def _ring_database(connection: Connection, out: Outgoing) -> None:
        with suppress(*LOST):  # the next statement will tell
            connection.autocommit = True
            try:
                queue.ring(connection, out.channels)
            finally:
                connection.autocommit = False

    def _committed(self, ready: Sequence[Handled], waiting: Sequence[Handled], taken: Sequence[Claimed]) -> None:
        for handled in ready:
            store.settle(handled.execution)
            if not handled.execution.state.is_terminal:
                self._handler.cache.put(handled.execution)
            for text in handled.dropped:
                tell("message.dropped", execution=handled.execution.id, reason=text)
        for handled in waiting:
            self._resolver.ask(handled, self.deliver)
        count("batches")
        count("messages", sum(len(one.messages) for one in taken))

    def _settle_mark(self, taken: Sequence[Claimed]) -> None:
        """Below the mark nothing is left but late committers, for which a full look is taken once a second. What a full
        batch left behind lies above the first message of its oldest execution."""
        if first := [one.messages[0].id for one in taken]:
            self.mark = min(first) if self._is_full(taken) else max(self.mark, *first)

    # --- what goes wrong for one execution only

    def _replay(self, connection: Connection, taken: Sequence[Claimed], answers: Mapping[str, Answers]) -> None:
        for one in taken:
            try:
                self._batch(connection, partial(_claim_one, one.execution_id), answers, [])
            except Exception as error:
                if is_transient(error):
                    raise
                connection.rollback()
                if len(one.messages) == 1:
                    self._set_aside(connection, one, one.messages[0], error)
                else:
                    self._replay_messages(connection, one, answers)

    def _replay_messages(self, connection: Connection, one: Claimed, answers: Mapping[str, Answers]) -> None:
        """Message by message, in order: only the one that raises is set aside."""
        for message in one.messages:
            try:
                self._batch(
                    connection,
                    partial(_claim_one, one.execution_id, message_id=message.id),
                    answers,
                    [],
                )
            except Exception as error:
                if is_transient(error):
                    raise
                connection.rollback()
                self._set_aside(connection, one, message, error)

    def _set_aside(self, connection: Connection, one: Claimed, message: Received, error: Exception) -> None:
        """Later, or after too many tries in `dead_letters`, and its execution FAILED."""
        facts: dict[str, Any] = {"execution": one.execution_id, "type": message.type, "error": first_line(error)}
        reason = f"{message.type}: {type(error).__name__}: {first_line(error)}"
        if message.type == "execution.poisoned":
            self._fail_hard(connection, one, message, error)
        elif message.tries + 1 >= MAX_TRIES:
            queue.park(connection, [message.id], _traceback(error), reason[:2000])
            queue.notify(connection, queue.WORK)
            tell("message.parked", **facts)
            count("messages_parked")
        else:
            queue.postpone(connection, [message.id], FIRST_PAUSE * 4**message.tries)
            tell("message.failed", exc_info=True, tries=message.tries + 1, **facts)
            count("messages_failed")
        connection.commit()

    def _fail_hard(self, connection: Connection, one: Claimed, message: Received, error: Exception) -> None:
        """Not even the end by the engine works (its flow or rows cannot be read): end it by SQL."""
        reason = str(message.body.get("reason") or first_line(error))
        queue.park(connection, [message.id], _traceback(error), reason)
        parent = store.fail_hard(connection, one.execution_id, reason)
        told = tell_parent_of_failed(parent, one.execution_id, reason)
        if told is not None:
            queue.publish_all(connection, [told])
        queue.notify_all(connection, [queue.WORK, queue.STREAM, queue.KILL])
        tell("execution.failed_hard", execution=one.execution_id, error=first_line(error))

    # --- connection and waiting

    def _connected(self) -> Connection:
        if self._connection is None or self._connection.closed:
            self._connection = connect(self.name)
            self._connection.add_notify_handler(self._on_notify)
            if self.listens:
                self._connection.execute(f"LISTEN {queue.WORK}", prepare=False)
                self._connection.commit()
            self._full_look.ask()
        return self._connection

    def _on_notify(self, notification: psycopg.Notify) -> None:
        self._notified = True

    def _disconnect(self) -> None:
        close_quietly(self._connection)
        self._connection = None

    def _roll_back(self) -> None:
        try:
            if self._connection is not None:
                self._connection.rollback()
        except psycopg.Error:
            self._disconnect()

    def _wait(self, seconds: float) -> None:
        """Until notified, woken or `seconds` have passed."""
        assert self._connection is not None
        pgconn = self._connection.pgconn
        readable, _, _ = select.select([pgconn.socket, self._wake_read], [], [], seconds)
        if pgconn.socket in readable:
            pgconn.consume_input()
            while pgconn.notifies():
                self._notified = True
        if self._wake_read in readable:
            with suppress(BlockingIOError):
                os.read(self._wake_read, 4096)


def _stamp(ready: Sequence[Handled], now: datetime) -> None:
    """An end is dated as late as the transaction allows: what is stored is what a client can see. One that has been
    told before keeps its date.

    So does one that gave the slot of a limit back: the next one may have it since the end that was told then."""
    for handled in ready:
        histories = handled.execution.histories
        if not handled.ended or len(histories) == handled.told or handled.flow.concurrency is not None:
            continue
        if histories[-1][1] < now:
            histories[-1] = (histories[-1][0], now)


def _traceback(error: Exception) -> str:
    return "".join(traceback.format_exception(error))[-20_000:]


def _claim_some(low: int, is_deep: bool, connection: Connection) -> list[Claimed]:
    """Nothing at first sight may mean: nothing but messages of executions that others are at. Then it looks further."""
    taken = queue.claim(connection, low)
    if taken or not is_deep:
        return taken
    return queue.claim(connection, low, scan=queue.DEEP_SCAN)


def _claim_one(execution_id: str, connection: Connection, message_id: int | None = None) -> list[Claimed]:
    return queue.claim_only(connection, [execution_id], None if message_id is None else [message_id])
