"""Answers questions of the engine (`Resolve`) outside the batch's transaction, each with a deadline."""

import threading
import time
from collections.abc import Callable, Iterable, Mapping
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
    """Threads are made at the first question. Two pools: one waits for answers, the other gives them."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._pools: tuple[ThreadPoolExecutor, ThreadPoolExecutor] | None = None

    def ask(self, handled: Handled, deliver: Deliver) -> None:
        """Returns at once; `deliver` is called from another thread with all answers so far."""
        with self._lock:
            if self._pools is None:
                self._pools = (
                    ThreadPoolExecutor(THREADS, "resolver"),
                    ThreadPoolExecutor(4 * THREADS, "answer"),
                )
        self._pools[0].submit(self._resolve, handled, deliver)

    def stop(self) -> None:
        with self._lock:
            pools, self._pools = self._pools, None
        for pool in pools or ():
            pool.shutdown(wait=False, cancel_futures=True)

    def _resolve(self, handled: Handled, deliver: Deliver) -> None:
        execution = handled.execution
        answers: dict[Call, Any] = dict(handled.answers)
        until = time.monotonic() + DEADLINE
        pools = self._pools
        if pools is None:
            return
        futures = {call: pools[1].submit(_patient_answer, execution, call, until - 1.0) for call in handled.calls}
        self._wait(handled, futures.values(), until)
        for call, future in futures.items():
            try:
                answers[call] = self._result(call, future)
            except LOST as error:
                tell("database.lost", loop="resolver", error=first_line(error))  # the engine asks again
        count("questions_resolved", len(futures))
        deliver(execution.id, answers)

    def _wait(self, handled: Handled, futures: Iterable["Future[Any]"], until: float) -> None:
        """Until all are answered or it is too late. The messages stay hidden meanwhile: should this executor die,
        another one asks soon."""
        left = set(futures)
        while left and time.monotonic() < until:
            _, left = wait(left, timeout=min(HELD / 3, max(until - time.monotonic(), 0.0)))
            if left:
                _hold(handled)

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


def _hold(handled: Handled) -> None:
    with suppress(*LOST):
        connection = connect("answer", autocommit=True)
        try:
            queue.hide(connection, [message.id for message in handled.claimed.messages], HELD)
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
