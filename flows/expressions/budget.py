"""What one rendering may use: steps, text, memory, depth, time. The clock here bounds, it never decides."""

from __future__ import annotations

from dataclasses import dataclass
from time import monotonic

from flows.expressions import taint
from flows.expressions.errors import BudgetExceeded


@dataclass(frozen=True, slots=True)
class Limits:
    """Of one top-level rendering; `output` and `memory` count characters."""

    steps: int = 100_000
    output: int = 1_000_000
    memory: int = 12_000_000
    depth: int = 64
    items: int = 500_000  # of one value, each counted as often as it stands in it
    seconds: float = 2.0
    regex_seconds: float = 0.5


DEFAULT_LIMITS = Limits()
ITEM_COST = 16
LONGEST_PATTERN = 1_000


class Budget:
    """Counts down while a template renders; every method raises BudgetExceeded when it is used up."""

    __slots__ = ("deadline", "depth", "limits", "memory", "steps", "weighed")

    def __init__(self, limits: Limits = DEFAULT_LIMITS) -> None:
        self.limits = limits
        self.steps = limits.steps
        self.memory = limits.memory
        self.depth = 0
        self.weighed: dict[int, tuple[object, int]] = {}  # kept alive: an id must not come back
        self.deadline = monotonic() + limits.seconds

    def spend(self, steps: int = 1) -> None:
        self.steps -= steps
        if self.steps < 0:
            raise BudgetExceeded(f"The expression took more than {self.limits.steps} steps")
        if monotonic() > self.deadline:
            raise BudgetExceeded(f"The expression took longer than {self.limits.seconds:g} seconds")

    def grow(self, size: int) -> None:
        """Asked before (or right after) something of `size` characters is made."""
        self.memory -= size
        if self.memory < 0:
            raise BudgetExceeded("The expression made too much text")

    def check_text(self, size: int) -> None:
        """One text of the expression, checked before it is made."""
        if size > self.limits.output:
            raise BudgetExceeded(f"The expression made a text longer than {self.limits.output} characters")
        self.grow(size)

    def check_items(self, count: int) -> None:
        self.grow(count * ITEM_COST)

    def check_value(self, value: object) -> None:
        """A value that was put together: holding itself twice, thirty times over, it would never be written or compared."""
        if type(value) is list or type(value) is dict:
            self._weigh(value)

    def _weigh(self, value: object) -> int:
        kind = type(value)
        if kind is not list and kind is not dict:
            return 1
        known = self.weighed.get(id(value))
        if known is not None:
            return known[1]
        weight = 1
        for item in value.values() if isinstance(value, dict) else value:  # type: ignore[attr-defined]
            weight += 1 if type(item) is str else self._weigh(item)
        if weight > self.limits.items:
            raise BudgetExceeded(f"The expression made a value of more than {self.limits.items} items")
        if weight > len(value) + 1:  # type: ignore[arg-type]
            self.weighed[id(value)] = (value, weight)
        return weight

    def enter(self) -> None:
        self.depth += 1
        if self.depth > self.limits.depth:
            raise BudgetExceeded(f"The expression is nested deeper than {self.limits.depth} levels")

    def leave(self) -> None:
        self.depth -= 1

    def regex_seconds(self) -> float:
        """How long one regular expression may run."""
        left = self.deadline - monotonic()
        if left <= 0:
            self.spend()
        return max(0.001, min(self.limits.regex_seconds, left))


class TextWriter:
    """Collects the parts of a text, bounded, without losing which of them are secret."""

    __slots__ = ("_limit", "_parts", "_size", "_tainted")

    def __init__(self, limit: int = DEFAULT_LIMITS.output) -> None:
        self._parts: list[str] = []
        self._size = 0
        self._limit = limit
        self._tainted = False

    def add(self, text: str, source: object = None) -> None:
        """A part; it is secret as a whole when `source`, what it shows, is."""
        self._size += len(text)
        if self._size > self._limit:
            raise BudgetExceeded(f"The expression made a text longer than {self._limit} characters")
        if isinstance(source, taint.Tainted):
            text = text if isinstance(text, taint.SecretStr) else taint.SecretStr(text)
            self._tainted = True
        self._parts.append(text)

    def text(self) -> str:
        return taint.join(self._parts) if self._tainted else "".join(self._parts)
