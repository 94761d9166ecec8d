"""Who changed what, when and from where: one row per change, never altered (a trigger of the database sees to that)."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from executions.codec import dumps

Json = Any
_INSERT = """
    INSERT INTO audit (timestamp, actor, action, target, detail, address)
    SELECT clock_timestamp(), actor, action, target, detail, address
    FROM jsonb_to_recordset(%s::jsonb) AS r(actor text, action text, target text, detail jsonb, address text)
"""
_LONGEST = 1_000
_AT_ONCE = 5_000
_PURGE = """
    DELETE FROM audit WHERE id IN (
        SELECT id FROM audit WHERE timestamp < now() - make_interval(secs => %s) ORDER BY timestamp LIMIT %s)
"""


@dataclass(frozen=True, slots=True)
class Entry:
    actor: str
    action: str  # what was called: `POST executions/{execution_id}/restart`
    target: str  # the address
    detail: dict[str, Json] = field(default_factory=dict)
    address: str = ""


def purge(connection: Any, seconds: float) -> int:
    """Delete rows older than that, in batches, on a connection in autocommit; the purge is noted itself."""
    removed: int = 0
    while True:
        with connection.transaction():
            connection.execute("SET LOCAL celesta.purge_audit = 'on'")
            gone: int = connection.execute(_PURGE, [seconds, _AT_ONCE]).rowcount
        removed += gone
        if gone < _AT_ONCE:
            break
    if removed:
        write(connection, [Entry("system", "purge audit", "audit", {"removed": removed, "olderThanSeconds": seconds})])
    return removed


def write(connection: Any, entries: Sequence[Entry]) -> None:
    """In the transaction of `connection`; texts are cut to a sane length."""
    rows = [
        {
            "actor": entry.actor[:_LONGEST],
            "action": entry.action[:_LONGEST],
            "target": entry.target[:_LONGEST].replace("\0", ""),
            "detail": entry.detail,
            "address": entry.address[:_LONGEST],
        }
        for entry in entries
    ]
    connection.execute(_INSERT, (dumps(rows),))
