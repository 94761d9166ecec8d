"""Flows with triggers that listen to executions: found by everybody who moves executions, so cached by a version.

The version is raised in the transaction that changes such a flow; reading it costs one look-up by key."""

from collections.abc import Sequence
from dataclasses import dataclass
from threading import Lock
from typing import Any

from flows.definition.errors import InvalidFlow
from flows.definition.model import Flow
from flows.definition.parse import parse_flow
from flows.triggers import flow as flow_trigger

Connection = Any
_VERSION = "SELECT version FROM listener_version WHERE id = 1"
_RAISE = """INSERT INTO listener_version (id, version) VALUES (1, 1)
ON CONFLICT (id) DO UPDATE SET version = listener_version.version + 1"""
_LISTENERS = """SELECT namespace, revision, source FROM flows
WHERE latest AND NOT deleted AND NOT disabled AND trigger_types @> jsonb_build_array(%(type)s::text)
ORDER BY namespace, flow_id"""


@dataclass(frozen=True, slots=True)
class Listener:
    flow: Flow
    trigger: flow_trigger.Flow

    @property
    def key(self) -> tuple[str, str, str]:
        return self.flow.namespace, self.flow.id, self.trigger.id


def listens(trigger_types: Sequence[str]) -> bool:
    return flow_trigger.TYPE in trigger_types


def raise_version(connection: Connection) -> None:
    """In the transaction that changes a listening flow, or whether one of its triggers is disabled."""
    connection.execute(_RAISE)


def version(connection: Connection) -> int:
    row = connection.execute(_VERSION).fetchone()
    return int(row[0]) if row else 0


_lock = Lock()
_known: tuple[int, list[Listener]] = (-1, [])


def forget() -> None:
    """Drop the cached listeners (the database was replaced)."""
    global _known
    _known = (-1, [])


def current(connection: Connection) -> list[Listener]:
    """Every trigger that is enabled where it is written, of every live flow, as committed when this is called."""
    global _known
    now = version(connection)
    if now == 0:
        return []
    with _lock:
        at, listeners = _known
    if at == now:
        return listeners
    listeners = _read(connection)
    with _lock:
        _known = (now, listeners)
    return listeners


def _read(connection: Connection) -> list[Listener]:
    found = []
    for namespace, revision, source in connection.execute(_LISTENERS, {"type": flow_trigger.TYPE}).fetchall():
        try:
            flow = parse_flow(source, namespace=namespace, revision=revision)
        except InvalidFlow:
            continue  # a text that this version no longer reads
        found += [
            Listener(flow, trigger)
            for trigger in flow.triggers
            if isinstance(trigger, flow_trigger.Flow) and not trigger.disabled
        ]
    return found
