"""Conditions whose parts may be met by several executions within a time window. Pure: what is met is kept elsewhere."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

from flows.triggers.base import Facts
from flows.triggers.windows import TimeWindow

Met = Mapping[str, datetime]  # part to when an execution met it


@dataclass(frozen=True, slots=True)
class Gathering:
    """The parts of one such condition of a trigger, by their names."""

    id: str
    window: TimeWindow
    reset_on_success: bool
    parts: Mapping[str, Callable[[Facts], bool]]

    def matched(self, facts: Facts) -> list[str]:
        """The parts that this execution meets. Raises what rendering raises."""
        return [name for name, holds in self.parts.items() if holds(facts)]

    def with_matched(self, known: Met, matched: list[str], now: datetime) -> dict[str, datetime] | None:
        """What is met within the window now; None when no window is open at this time of the day."""
        start, end = self.window.around(now)
        if not start <= now < end:
            return None
        kept = {name: date for name, date in known.items() if name in self.parts and start <= date < end}
        return {**kept, **dict.fromkeys(matched, now)}

    def is_complete(self, met: Met) -> bool:
        return all(name in met for name in self.parts)
