"""Slots of flows' concurrency limits, over psycopg. Decides nothing but who is next: the engine asks, executors answer.

Every function but `hold` and `drop_orphans` needs the limit of the flow held."""

from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from typing import Any

from executions.named_sql import load as load_sql
from executions.state import Execution
from executions.store import hex_of
from flows.definition.states import TERMINAL

Connection = Any
_SQL = load_sql(Path(__file__).with_suffix(".sql"))
_TERMINAL = [state.value for state in TERMINAL]


def hold(connection: Connection, flows: Iterable[tuple[str, str]]) -> None:
    """Lock the limits of flows (namespace, id), in one order for everybody, until the transaction ends."""
    keys = sorted(_key(namespace, flow_id) for namespace, flow_id in set(flows))
    if keys:
        connection.execute(_SQL["make_limits"], {"keys": keys})
        connection.execute(_SQL["hold_limits"], {"keys": keys})


def acquire(connection: Connection, execution: Execution, limit: int, now: datetime, *, wait: bool) -> tuple[bool, str]:
    """Whether it may run, and the moment of this answer. With `wait` it stands in the queue if not."""
    parameters = {**_flow(execution.namespace, execution.flow_id), "id": hex_of(execution.id)}
    parameters |= {"limit": limit, "now": now, "wait": wait}
    has_slot, moment = connection.execute(_SQL["acquire"], parameters).fetchone()
    return bool(has_slot), str(moment)


def release(connection: Connection, execution: Execution, limit: int, now: datetime) -> int:
    """Give the slot (or the place in the queue) back; how many executions got one (they are told)."""
    connection.execute(_SQL["release"], {"id": hex_of(execution.id)})
    # Nobody has the slot before its holder has ended, by what the histories tell.
    return grant(connection, execution.namespace, execution.flow_id, limit, max(now, execution.histories[-1][1]))


def grant(connection: Connection, namespace: str, flow_id: str, limit: int, now: datetime) -> int:
    """Slots that are free to those who wait for them; to how many."""
    parameters = {**_flow(namespace, flow_id), "limit": limit, "now": now}
    return int(connection.execute(_SQL["grant"], parameters).rowcount)


def drop_orphans(connection: Connection) -> list[tuple[str, str]]:
    """Slots whose execution is gone or over. The flows (namespace, id) whose waiting executions may go on."""
    return [(row[0], row[1]) for row in connection.execute(_SQL["orphans"], {"terminal": _TERMINAL})]


def _flow(namespace: str, flow_id: str) -> dict[str, Any]:
    return {"key": _key(namespace, flow_id), "namespace": namespace, "flow_id": flow_id}


def _key(namespace: str, flow_id: str) -> str:
    return f"{namespace}/{flow_id}"
