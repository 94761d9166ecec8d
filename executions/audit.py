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


@dataclass(frozen=True, slots=True)
class Entry:
    actor: str
    action: str  # what was called: `POST executions/{execution_id}/restart`
    target: str  # the address
    detail: dict[str, Json] = field(default_factory=dict)
    address: str = ""


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
