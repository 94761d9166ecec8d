"""What triggers remember, set-based over psycopg: windows, budgets against storms, rows of triggers. Decides nothing."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from executions.codec import dumps, loads
from executions.named_sql import load as load_sql

Json = Any
Connection = Any
WindowKey = tuple[str, str, str, str]  # namespace, flow, trigger, condition
TriggerKey = tuple[str, str, str]
_SQL = load_sql(Path(__file__).with_suffix(".sql"))
_WINDOW = ("namespace", "flow_id", "trigger_id", "condition_id")
_TRIGGER = ("namespace", "flow_id", "trigger_id")


@dataclass(slots=True)
class Window:
    met: dict[str, datetime] = field(default_factory=dict)
    outputs: dict[str, Json] = field(default_factory=dict)


def lock_windows(connection: Connection, keys: Iterable[WindowKey]) -> dict[WindowKey, Window]:
    """In one order for everybody, until the transaction ends. Windows not known yet are made."""
    document = dumps([dict(zip(_WINDOW, key, strict=True)) for key in sorted(set(keys))])
    connection.execute(_SQL["open_windows"], {"document": document})
    found = {}
    for *key, met, outputs in connection.execute(_SQL["lock_windows"], {"document": document}).fetchall():
        dates = {part: datetime.fromisoformat(date) for part, date in loads(met).items()}
        found[tuple(key)] = Window(dates, loads(outputs))
    return found


def save_windows(connection: Connection, windows: Mapping[WindowKey, Window]) -> None:
    if windows:
        rows = [
            {**dict(zip(_WINDOW, key, strict=True)), "met": window.met, "outputs": window.outputs}
            for key, window in windows.items()
        ]
        connection.execute(_SQL["save_windows"], {"document": dumps(rows)})


def spend(connection: Connection, started: Mapping[str, int]) -> dict[str, int]:
    """Count executions that others start, by the origin of their lineage; the totals."""
    rows = [{"origin": name, "started": number} for name, number in started.items()]
    return {name: int(total) for name, total in connection.execute(_SQL["spend"], {"document": dumps(rows)}).fetchall()}


def disabled(connection: Connection) -> set[TriggerKey]:
    """Triggers that were switched off by hand."""
    return {(row[0], row[1], row[2]) for row in connection.execute(_SQL["disabled"]).fetchall()}


def fired(connection: Connection, keys: Iterable[TriggerKey]) -> None:
    """Note that these triggers have just started an execution."""
    rows = [dict(zip(_TRIGGER, key, strict=True)) for key in keys]
    if rows:
        connection.execute(_SQL["fired"], {"document": dumps(rows)})


def stop(connection: Connection, keys: Iterable[TriggerKey]) -> None:
    """Switch these triggers off, until somebody switches them on again."""
    rows = [dict(zip(_TRIGGER, key, strict=True)) for key in keys]
    if rows:
        connection.execute(_SQL["stop"], {"document": dumps(rows)})


def follow_flow(connection: Connection, namespace: str, flow_id: str, trigger_ids: Sequence[str]) -> None:
    """One row for each trigger that a flow has now."""
    parameters = {"namespace": namespace, "flow_id": flow_id, "ids": list(trigger_ids)}
    connection.execute(_SQL["follow_flow"], parameters)


def switch(connection: Connection, key: TriggerKey, *, is_disabled: bool) -> bool:
    """False: there is no such trigger."""
    parameters = {**dict(zip(_TRIGGER, key, strict=True)), "disabled": is_disabled}
    return connection.execute(_SQL["switch"], parameters).fetchone() is not None


def forget_lineages(connection: Connection, seconds: float) -> int:
    """Budgets that nobody has touched for so long."""
    return int(connection.execute(_SQL["forget_lineages"], {"seconds": seconds}).rowcount)
