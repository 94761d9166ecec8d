"""A new execution from a flow and what the caller gave: inputs checked, labels merged, nothing stored yet."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.conf import settings

from executions import checks
from executions.codec import dumps
from executions.ids import new_id
from executions.inputs import checked_inputs as checked_inputs
from executions.state import Execution
from executions.transitions import breakpoints
from flows.definition.model import Flow
from flows.definition.states import State

Json = Any
CORRELATION = "system.correlationId"


class FlowDisabled(Exception):
    http_status = 409


class InvalidLabel(ValueError):
    http_status = 422


class MessageTooLarge(ValueError):
    http_status = 413

    def __init__(self, size: int, limit: int) -> None:
        super().__init__(f"Message of size {size} has exceeded the configured limit of {limit}")


@dataclass(frozen=True, slots=True)
class Start:
    """What a caller asks for. `files` are uploaded ones by input id: objects with `read()`."""

    inputs: dict[str, Json] = field(default_factory=dict)
    files: dict[str, Any] = field(default_factory=dict)
    labels: list[dict[str, str]] = field(default_factory=list)
    schedule_date: datetime | None = None
    kind: str = "NORMAL"
    trigger: dict[str, Json] | None = None
    variables: dict[str, Json] = field(default_factory=dict)
    breakpoints: list[dict[str, Json]] = field(default_factory=list)  # {"id", "value"?}: tasks to stop before
    execution_id: str = field(default_factory=new_id)


def is_within_reach(moment: datetime) -> bool:
    """Whether a date to start at can be stored and read back in every time zone."""
    return 1970 <= moment.year < 9999


def refuse_system_labels(labels: list[dict[str, str]]) -> None:
    """Callers may not set what the system keeps there; the correlation id is theirs to give."""
    for label in labels:
        if label["key"].startswith("system.") and label["key"] not in (CORRELATION, "system.from"):
            raise InvalidLabel(f"System labels can only be set by Celesta itself, offending label: {label['key']}")


def merged_labels(flow: Flow, given: list[dict[str, str]], execution_id: str) -> list[dict[str, str]]:
    """The flow's own first; a given one of the same key replaces it in its place."""
    found = {label["key"]: label["value"] for label in flow.labels if not label["key"].startswith("system.")}
    for label in given:
        found[label["key"]] = label["value"]
    found.setdefault(CORRELATION, execution_id)
    return [{"key": key, "value": value} for key, value in found.items()]


def refuse_disabled(flow: Flow) -> None:
    if flow.disabled:
        raise FlowDisabled(f"Illegal state: flow {flow.namespace}.{flow.id} is disabled")


def refuse_large(parts: Json) -> None:
    limit = settings.CELESTA.message_limit_bytes
    text = dumps(parts)
    if len(text) * 4 > limit and (size := len(text.encode())) > limit:
        raise MessageTooLarge(size, limit)


def built(
    flow: Flow,
    start: Start,
    inputs: dict[str, Json],
    now: datetime,
    *,
    connection: Any = None,
    may_block: bool = True,
) -> Execution:
    """`inputs` are valid already; the flow's `checks` of them are made here, over Django's connection without another.

    Raises checks.Blocked (without `may_block` the execution is FAILED instead), and MessageTooLarge: an execution too
    large to be handled is not begun."""
    refuse_large([inputs, start.variables, start.trigger, start.labels])
    execution_id = start.execution_id
    failed = checks.failed_checks(flow, inputs, execution_id, start.trigger, connection)
    fails = checks.fails(failed, may_block=may_block)
    execution = Execution(
        id=execution_id,
        namespace=flow.namespace,
        flow_id=flow.id,
        flow_revision=flow.revision,
        state=State.CREATED,
        histories=[(State.CREATED, now)],
        inputs=inputs,
        labels=merged_labels(flow, start.labels, execution_id),
        variables=start.variables,
        trigger=start.trigger,
        original_id=execution_id,
        original_created=now,
        schedule_date=start.schedule_date,
        kind=start.kind,
    )
    if start.breakpoints:
        execution.memory[breakpoints.KEY] = start.breakpoints
    if fails:
        born_failed(execution, f"Flow execution failed: {checks.reason_of(failed)}", now)
    return execution


def born_failed(execution: Execution, reason: str, now: datetime) -> None:
    """It is there only to tell why it could not run; the engine does what follows from its end."""
    execution.error = reason
    execution.move(State.FAILED, now)
    execution.memory["closing"] = True
