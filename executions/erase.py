"""Removes executions with their rows and, on demand, their logs, metrics and files. Decides nothing about who may."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from executions import named_sql
from executions.ids import to_base62
from executions.storage.base import Storage, execution_prefix, uri_of
from executions.store import hex_of

Connection = Any
SQL = named_sql.load(Path(__file__).with_suffix(".sql"))


def erase(
    connection: Connection, execution_ids: Sequence[str], *, logs: bool = True, metrics: bool = True
) -> list[tuple[str, str, str]]:
    """Delete the rows, inside the caller's transaction; the (namespace, flow id, execution id) that were there."""
    ids = {"ids": [hex_of(execution_id) for execution_id in execution_ids]}
    found = connection.execute(SQL["lock"], ids).fetchall()
    connection.execute(SQL["executions"], ids)
    if logs:
        connection.execute(SQL["logs"], ids)
    if metrics:
        connection.execute(SQL["metrics"], ids)
    return [(row[1], row[2], to_base62(row[0])) for row in found]


def erase_files(storage: Storage, erased: Sequence[tuple[str, str, str]]) -> int:
    """After the commit: the number of files deleted."""
    return sum(
        len(storage.delete_below(uri_of(execution_prefix(namespace, flow_id, execution_id))))
        for namespace, flow_id, execution_id in erased
    )


def count_files(storage: Storage, places: Sequence[tuple[str, str, str]]) -> int:
    """What `erase_files` would delete."""
    return sum(
        1
        for place in places
        for facts in storage.entries(uri_of(execution_prefix(*place)), recursive=True)
        if not facts.is_folder
    )
