"""Runs one task within its limits, by its isolation class, and names how it ended."""

import logging
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TextIO

from executions.messages import iso
from executions.storage.base import StorageError
from executor.worker.attempt import LEVELS, Attempt
from executor.worker.storable import Unstorable, storable
from executor.worker.task_cache import TaskCache
from executor.worker.tools import Tools
from flows.definition.durations import timeout_of
from flows.definition.states import State
from flows.expressions.errors import ExpressionError
from flows.tasks.base import Isolation, RunnableTask, TaskFailure

if TYPE_CHECKING:
    from executor.worker.context import Context

Json = Any
log = logging.getLogger("celesta.worker")


@dataclass(frozen=True, slots=True)
class Outcome:
    """How an attempt ended. `outputs` is JSON text, ready to be stored."""

    state: State
    error: str | None = None
    outputs: str | None = None
    run_id: str = ""
    token: str = ""
    children: list[dict[str, Json]] = field(default_factory=list)
    log_file: str | None = None

    def message(self, started: datetime | None, worker: str) -> dict[str, Json]:
        """Body of the task.finished message, outputs left out."""
        body: dict[str, Json] = {
            "task_run_id": self.run_id,
            "token": self.token,
            "state": self.state.value,
            "ended": iso(datetime.now(UTC)),
            "worker": worker,
        }
        if started is not None:
            body["started"] = iso(started)
        if self.error is not None:
            body["error"] = self.error
        if self.children:
            body["children"] = self.children
        if self.log_file is not None:
            body["log_file"] = self.log_file
        return body


def carried_out_by_isolation(
    payload: Mapping[str, Json], task: RunnableTask, context: "Context", attempt: Attempt, tools: Tools
) -> Outcome:
    cache = None
    try:
        cache = TaskCache.of(task, context, attempt) if task.task_cache is not None else None
        known = None if cache is None else cache.found()
    except (ExpressionError, StorageError, OSError) as error:
        attempt.log("WARN", f"The cache of outputs is not used: {error}")
        known = None
    if known is not None:
        context.close()
        return Outcome(State.SUCCESS, None, known, attempt.run_id, attempt.token)
    outcome = _run_by_isolation(payload, task, context, attempt, tools)
    if cache is not None and outcome.state is State.SUCCESS:
        cache.keep(outcome.outputs)
    return outcome


def _run_by_isolation(
    payload: Mapping[str, Json], task: RunnableTask, context: "Context", attempt: Attempt, tools: Tools
) -> Outcome:
    body = None
    if task.isolation is Isolation.CHILD:

        def body() -> Outcome:
            return _in_child(payload, task, context, attempt, tools)

    if not task.log_to_file:
        return carried_out(task, context, attempt, body)
    with tempfile.TemporaryFile("w+") as file:
        attempt.log_file = file
        outcome = carried_out(task, context, attempt, body)
        return replace(outcome, log_file=_stored_log(context, attempt, file))


def _stored_log(context: "Context", attempt: Attempt, file: TextIO) -> str | None:
    """`logToFile`: the attempt's log in the internal storage; its address."""
    attempt.log_file = None
    file.seek(0)
    try:
        return context.upload(file.read().encode(), f"{attempt.token}.log")
    except OSError as error:
        attempt.log("ERROR", f"The log could not be stored: {error}")
        return None


def carried_out(
    task: RunnableTask, context: "Context", attempt: Attempt, body: Callable[[], Outcome] | None = None
) -> Outcome:
    """Runs the task (or `body` in its place) within its limits and closes the context."""
    try:
        _set_limits(task, context, attempt)
        return body() if body is not None else _stored(attempt, task.run(context), context.children)
    except TaskFailure as failure:
        return _failed(attempt, failure.message, failure.state, failure.outputs, context.children)
    except (ExpressionError, ValueError, OSError) as error:
        return _failed(attempt, str(error) or type(error).__name__, children=context.children)
    except Exception as error:
        log.info("task %s of %s", task.id, task.type, exc_info=True)
        return _failed(attempt, f"{type(error).__name__}: {error}", children=context.children)
    finally:
        context.close()


def _in_child(
    payload: Mapping[str, Json], task: RunnableTask, context: "Context", attempt: Attempt, tools: Tools
) -> Outcome:
    """The limits are kept, and logs written, by this process."""
    ended = tools.children.run(payload, task, context.working_directory, attempt)
    if attempt.stopped:
        return stopped_outcome(attempt)
    state = State(ended["state"])
    return Outcome(state, ended["error"], ended["outputs"], attempt.run_id, attempt.token, ended["children"])


def _set_limits(task: RunnableTask, context: "Context", attempt: Attempt) -> None:
    if task.log_level is not None:
        attempt.level = LEVELS[task.log_level]
    if task.timeout is not None:
        limit = timeout_of(context.render(task.timeout))
        attempt.timeout_text = f"Timeout after {_clock(limit.total_seconds())}"
        attempt.deadline = time.monotonic() + limit.total_seconds()


def _clock(seconds: float) -> str:
    """As Kestra's log prints it: 00:00:01.500."""
    whole, milliseconds = divmod(round(seconds * 1000), 1000)
    return f"{whole // 3600:02}:{whole // 60 % 60:02}:{whole % 60:02}.{milliseconds:03}"


def stopped_outcome(attempt: Attempt) -> Outcome:
    if attempt.killed:
        return ended_as(attempt, State.KILLED, None)
    attempt.log("ERROR", attempt.timeout_text)
    return ended_as(attempt, State.FAILED, attempt.timeout_text)


def ended_as(attempt: Attempt, state: State, error: str | None, outputs: str | None = None) -> Outcome:
    shown = attempt.mask(error) if error is not None else None
    return Outcome(state, shown, outputs, attempt.run_id, attempt.token)


def _stored(attempt: Attempt, outputs: Json, children: list[dict[str, Json]] | None = None) -> Outcome:
    if attempt.stopped:
        return stopped_outcome(attempt)
    try:
        text = storable(outputs, attempt)
    except Unstorable as error:
        return _failed(attempt, str(error))
    return Outcome(State.SUCCESS, None, text, attempt.run_id, attempt.token, children or [])


def _failed(
    attempt: Attempt,
    message: str,
    state: State = State.FAILED,
    outputs: Json = None,
    children: list[dict[str, Json]] | None = None,
) -> Outcome:
    """Outputs are kept when the task gave some; a stop that made it fail is told as the stop."""
    try:
        text = storable(outputs, attempt)
    except Unstorable:
        text = None
    if attempt.stopped:
        stopped = stopped_outcome(attempt)
        return Outcome(stopped.state, stopped.error, text, attempt.run_id, attempt.token, children or [])
    if message:
        attempt.log("WARN" if state is State.WARNING else "ERROR", message)
    shown = attempt.mask(message) or None
    return Outcome(state, shown, text, attempt.run_id, attempt.token, children or [])
