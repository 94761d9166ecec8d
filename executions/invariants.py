"""What must be true of everything stored, whatever has failed: read from the database, never mended here."""

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from executions import named_sql
from executions.ids import to_base62
from flows.definition.states import EXECUTION_MOVES, TASK_RUN_MOVES, TERMINAL, State

Connection = Any
_SQL = named_sql.load(Path(__file__).with_suffix(".sql"))
# A step between two looks: an execution that is at the same version afterwards does not move.
SETTLE_SECONDS = 2.0
LIMIT = 1_000
RULES = {
    "execution_moves": "executions move by the table of states, forward in time",
    "run_moves": "task runs move by the table of states, forward in time",
    "states": "a state is the last of its history, and an end has its date",
    "attempts": "only the last attempt of a task that is not over may be open",
    "leftovers": "nothing is open or held of an execution that is over",
    "unhandled": "messages, jobs and timers are taken care of within 30 s",
    "stuck": "of an execution that is not over something is under way",
    "sessions": "no process sits on an open transaction",
}


@dataclass(frozen=True, slots=True)
class Violation:
    """`execution_id` is None for what is of no execution."""

    rule: str
    execution_id: str | None
    text: str

    def __str__(self) -> str:
        return f"{self.rule}: {f'execution {self.execution_id} ' if self.execution_id else ''}{self.text}"


def violations(connection: Connection, since: float = 86_400.0, settle: float = SETTLE_SECONDS) -> Iterator[Violation]:
    """Of executions that started within `since` seconds or are not over; at most LIMIT per rule. Takes `settle`
    seconds when something looks stuck. Autocommit: each look is a statement of its own."""
    parameters = _parameters(since)
    for rule in RULES:
        if rule == "stuck":
            yield from _stuck(connection, parameters, settle)
            continue
        for execution_id, text in connection.execute(_SQL[rule], parameters).fetchall():
            yield Violation(rule, to_base62(execution_id) if execution_id else None, text)


def _stuck(connection: Connection, parameters: Mapping[str, Any], settle: float) -> Iterator[Violation]:
    suspects = set(connection.execute(_SQL["stuck"], parameters).fetchall())
    if suspects:
        time.sleep(settle)
        suspects &= set(connection.execute(_SQL["stuck"], parameters).fetchall())
    for execution_id, _, state in sorted(suspects):
        yield Violation("stuck", to_base62(execution_id), f"is {state}, and nothing of it is under way")


def _parameters(since: float) -> dict[str, Any]:
    return {
        "since": since,
        "limit": LIMIT,
        "terminal": [state.value for state in TERMINAL],
        "waiting": [State.PAUSED.value, State.BREAKPOINT.value, State.QUEUED.value],
        "moves": [f"{before}>{after}" for before, allowed in EXECUTION_MOVES.items() for after in allowed],
        "run_moves": [f"{before}>{after}" for before, allowed in TASK_RUN_MOVES.items() for after in allowed],
    }
