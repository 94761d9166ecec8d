"""A call of a webhook: the trigger found by its key, its conditions decided, its execution started."""

import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import orjson
from django.db import transaction

from executions import actions, database, triggering
from executions.inputs import renderer
from executions.starting import FlowDisabled, refuse_disabled
from executions.state import Execution
from executions.triggered import triggered
from flows import catalog
from flows.definition.model import Flow
from flows.expressions.errors import ExpressionError
from flows.triggers.base import Facts
from flows.triggers.webhook import Webhook

Json = Any
# Proofs of who calls are for us, not for everybody who may read the execution.
_PRIVATE = frozenset({"authorization", "proxy-authorization", "cookie"})


class WebhookNotFound(LookupError):
    http_status = 404

    def __init__(self, what: str) -> None:
        super().__init__(f"Not Found: {what} not found")


@dataclass(frozen=True, slots=True)
class Call:
    """The request, names of headers in any case."""

    body: bytes = b""
    headers: Mapping[str, list[str]] = field(default_factory=dict)
    parameters: Mapping[str, list[str]] = field(default_factory=dict)
    path: str = ""


@dataclass(frozen=True, slots=True)
class Answer:
    """`execution` None: the conditions do not hold."""

    trigger: Webhook
    execution: Execution | None


def receive(namespace: str, flow_id: str, key: str, call: Call) -> Answer:
    """Raises WebhookNotFound, FlowDisabled."""
    try:
        flow = catalog.find(namespace, flow_id)
    except catalog.FlowNotFound:
        raise WebhookNotFound("Flow") from None
    trigger = _trigger_of(flow, key)
    if trigger is None:
        raise WebhookNotFound("Webhook")
    refuse_disabled(flow)
    name = (namespace, flow_id, trigger.id)
    if trigger.disabled or name in triggering.disabled(database.current()):
        raise FlowDisabled(f"Illegal state: trigger {trigger.id} of {namespace}.{flow_id} is disabled")
    variables = _variables(flow, call)
    now = datetime.now(UTC)
    if not _holds(flow, trigger, variables, now):
        return Answer(trigger, None)
    with transaction.atomic():
        render = renderer(flow, "", {"variables": variables})
        execution = actions.start(triggered(flow, trigger, variables, lambda value: render(value, {}), now))
        triggering.fired(database.current(), [name])
    return Answer(trigger, execution)


def _trigger_of(flow: Flow, key: str) -> Webhook | None:
    """All keys are compared, each in constant time: how long it takes tells nothing."""
    found = None
    for trigger in flow.triggers:
        if isinstance(trigger, Webhook):
            wanted = _rendered_key(flow, trigger)
            is_same = hmac.compare_digest(wanted.encode("utf-8", "replace"), key.encode("utf-8", "replace"))
            if is_same and wanted and found is None:
                found = trigger
    return found


def _rendered_key(flow: Flow, trigger: Webhook) -> str:
    """A key that cannot be rendered is nobody's."""
    try:
        return "".join(str(renderer(flow, "")(trigger.key, {})).strip())
    except ExpressionError:
        return ""


def _holds(flow: Flow, trigger: Webhook, variables: Mapping[str, Json], now: datetime) -> bool:
    """A condition that cannot be decided is not met."""
    render = renderer(flow, "", {"variables": {**variables, "date": now.isoformat()}})
    facts = Facts(
        render=lambda template: _text(render(template, {})),
        now=now,
        namespace=flow.namespace,
        flow_id=flow.id,
        labels=flow.labels,
    )
    try:
        return all(condition.holds(facts) for condition in trigger.conditions)
    except (ExpressionError, ValueError, NotImplementedError):
        return False


def _text(value: Json) -> str:
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    return str(value).lower() if isinstance(value, bool) else orjson.dumps(value, default=str).decode()


def _variables(flow: Flow, call: Call) -> dict[str, Json]:
    found: dict[str, Json] = {
        "body": _body(call.body),
        "headers": _headers(flow, call.headers),
        "parameters": {name: list(values) for name, values in call.parameters.items()},
    }
    if call.path:
        found["path"] = call.path
    return found


def _body(content: bytes) -> Json:
    """A JSON map or list, else the text as it is; None without one."""
    if not content:
        return None
    try:
        read = orjson.loads(content)
    except orjson.JSONDecodeError:
        read = None
    if isinstance(read, dict | list):
        return read
    return content.decode("utf-8", "replace").replace("\0", "�")


def _headers(flow: Flow, headers: Mapping[str, list[str]]) -> dict[str, list[str]]:
    """Names of headers have no case, but templates look them up in one: they take the spelling that the flow uses."""
    found = {}
    for name, values in headers.items():
        if name.lower() in _PRIVATE:
            continue
        used = re.search(rf"(?<![\w-]){re.escape(name)}(?![\w-])", flow.source, re.IGNORECASE)
        found[used[0] if used else name] = list(values)
    return found
