"""Budgets against storms: how deep executions may start each other, and how many may come of one. Writes only counts."""

from collections.abc import Sequence
from typing import Any

from django.conf import settings

from executions import triggering
from executions.state import Execution

_KEY = "origin"  # in the engine's memory of an execution


class Exhausted(Exception):
    """Executions start each other without end."""


def origin_of(execution: Execution) -> str:
    """The execution that all of its lineage has come of, and that nobody started but a user or the clock.

    Not the correlation id: that one is the callers' to give, and may be the same for ever."""
    return str(execution.memory.get(_KEY) or execution.id)


def hand_down(starter: Execution, started: Execution) -> None:
    started.memory[_KEY] = origin_of(starter)


def check_depth(starter: Execution) -> None:
    """Raises Exhausted when what it starts would be too deep."""
    limit = settings.CELESTA.depth_limit
    if starter.depth + 1 > limit:
        raise Exhausted(f"Recursion limit: executions start each other {limit} deep (CELESTA_DEPTH_LIMIT)")


def spend(connection: Any, starters: Sequence[Execution]) -> list[Exhausted | None]:
    """Count one started execution for each of these; for each the reason why it must not be, or None."""
    if not starters:
        return []
    limit = settings.CELESTA.lineage_limit
    wanted: dict[str, int] = {}
    for starter in starters:
        wanted[origin_of(starter)] = wanted.get(origin_of(starter), 0) + 1
    totals = triggering.spend(connection, wanted)
    left = {origin: limit - (totals[origin] - number) for origin, number in wanted.items()}
    answers: list[Exhausted | None] = []
    for starter in starters:
        origin = origin_of(starter)
        left[origin] -= 1
        text = f"Recursion limit: {limit} executions have come of {origin} (CELESTA_LINEAGE_LIMIT)"
        answers.append(None if left[origin] >= 0 else Exhausted(text))
    return answers
