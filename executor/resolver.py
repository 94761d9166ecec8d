"""Answers questions of the engine (`Resolve`) outside the batch's transaction, each with a deadline."""

import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor, wait
from concurrent.futures import TimeoutError as FutureTimeout
from contextlib import nullcontext, suppress
from typing import Any

from executions import store
from executions.codec import loads
from executions.expressions import SiteServices, earlier_of, place_of
from executions.queue import postgres as queue
from executions.state import Execution
from executor.connections import LOST, close_quietly, connect, first_line, is_lost
from executor.handlers import Answers, Handled
from executor.telemetry import count, tell
from flows.expressions.errors import Call, ExpressionError

DEADLINE = 20.0
# For so long the messages of an execution that waits for answers are hidden at a time.
HELD = 3.0
THREADS = 4
Deliver = Callable[[str, Answers], None]


class Resolver:
    """Threads are made at the first question. One pool waits for answers, another gives them; a keeper sees to it that
    nobody else asks meanwhile."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._pools: tuple[ThreadPoolExecutor, ThreadPoolExecutor] | None = None
        self._asked: dict[str, Handled] = {}  # by execution: what is waited for
        self._keeper: threading.Thread | None = None
        self._stopping = threading.Event()

    def ask(self, handled: Handled, deliver: Deliver) -> None:
        """Returns at once; `deliver` is called from another thread with all answers so far."""
        with self._lock:
            if handled.execution.id in self._asked or self._stopping.is_set():
                return  # the answers under way bring it on
            self._asked[handled.execution.id] = handled
            if self._pools is None:
                self._pools = (
                    ThreadPoolExecutor(THREADS, "resolver"),
                    ThreadPoolExecutor(4 * THREADS, "answer"),
                )
            if self._keeper is None:
                self._keeper = threading.Thread(target=self._keep, name="keeper", daemon=True)
                self._keeper.start()
            self._pools[0].submit(self._resolve, self._pools[1], handled, deliver)

    def stop(self) -> None:
        self._stopping.set()
        with self._lock:
            pools, self._pools = self._pools, None
        for pool in pools or ():
            pool.shutdown(wait=False, cancel_futures=True)

    def _resolve(self, pool: ThreadPoolExecutor, handled: Handled, deliver: Deliver) -> None:
        execution = handled.execution
        answers: dict[Call, Any] = dict(handled.answers)
        until = time.monotonic() + DEADLINE
        try:
            futures = {call: pool.submit(_patient_answer, execution, call, until - 1.0) for call in handled.calls}
            wait(futures.values(), timeout=DEADLINE)
            for call, future in futures.items():
                try:
                    answers[call] = self._result(call, future)
                except LOST as error:
                    tell("database.lost", loop="resolver", error=first_line(error))  # the engine asks again
            count("questions_resolved", len(futures))
        finally:
            with self._lock:
                del self._asked[execution.id]
        deliver(execution.id, answers)

    def _keep(self) -> None:
        """The messages of executions that wait stay hidden, also of those whose turn has not come. Should this executor
        die, another one asks soon. Ends when nobody waits any more."""
        while not self._stopping.wait(HELD / 3):
            with self._lock:
                held = [message.id for handled in self._asked.values() for message in handled.claimed.messages]
                if not held:
                    self._keeper = None
                    return
            _hide(held)

    def _result(self, call: Call, future: "Future[Any]") -> Any:
        try:
            return future.result(0)
        except FutureTimeout:
            future.cancel()
            tell("resolve.late", function=call.name, seconds=DEADLINE)
            return ExpressionError(f"The function '{call.name}' gave no answer within {DEADLINE:g} seconds.")
        except ExpressionError as error:
            return error
        except Exception as error:
            if is_lost(error):
                raise
            return ExpressionError(f"The function '{call.name}' failed: {error}")


def _hide(messages: list[int]) -> None:
    with suppress(*LOST):
        connection = connect("answer", autocommit=True)
        try:
            queue.hide(connection, messages, HELD)
        finally:
            close_quietly(connection)


def _patient_answer(execution: Execution, call: Call, until: float) -> Any:
    """A database that is away for a moment is waited for."""
    pause = 0.1
    while True:
        try:
            return _answer(execution, call)
        except LOST as error:
            if not is_lost(error) or time.monotonic() + pause > until:
                raise
        time.sleep(pause)
        pause = min(pause * 2, 2.0)


def _answer(execution: Execution, call: Call) -> Any:
    """A connection of its own: an answer that hangs must not hold up others."""
    arguments: Mapping[str, Any] = loads(call.arguments)
    trigger = (execution.trigger or {}).get("variables")
    connection = connect("answer", autocommit=True)
    try:
        if call.name == "payload":  # the engine itself asks: outputs too large to be at hand
            return store.fetch_payloads(connection, [arguments["id"]])[arguments["id"]]
        place = place_of(execution.namespace, execution.flow_id, execution.id, trigger, earlier_of(execution))
        services = SiteServices(lambda: nullcontext(connection), place)
        return services.call(call.name, dict(arguments))
    finally:
        close_quietly(connection)
