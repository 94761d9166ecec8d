"""What a compiled template runs in: variables, services, budget. Decides nothing about the language."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Protocol

from flows.expressions.budget import Budget
from flows.expressions.errors import ExpressionError
from flows.expressions.values import UNDEFINED


class Random(Protocol):
    """The part of random.Random that expressions use."""

    def randint(self, a: int, b: int) -> int: ...

    def randbytes(self, n: int) -> bytes: ...


class Scope(Protocol):
    """The variables of a rendering, asked for only when a template names them."""

    def lookup(self, name: str) -> object:
        """The value, or UNDEFINED."""
        ...

    def names(self) -> Iterable[str]: ...


class Services(Protocol):
    """Everything that is I/O, clock or randomness; `limits`, when there, is a Limits, `reveal` opens sealed secrets."""

    def now(self) -> datetime:
        """Aware, in UTC."""
        ...

    def timezone(self) -> str:
        """The name of the server's time zone."""
        ...

    def random(self) -> Random: ...

    def call(self, name: str, arguments: dict[str, object]) -> object:
        """The answer; may raise NeedsResolve or ExpressionError."""
        ...


class DictScope:
    """Variables that are all at hand."""

    __slots__ = ("variables",)

    def __init__(self, variables: Mapping[str, object]) -> None:
        self.variables = variables

    def lookup(self, name: str) -> object:
        return self.variables.get(name, UNDEFINED)

    def names(self) -> Iterable[str]:
        return self.variables.keys()


MacroBody = Callable[["Frame", list[object], dict[str, object]], str]
MAX_RENDERINGS = 100


class Frame:
    """One rendering; `locals` are the variables of `set`, `for` and macros."""

    __slots__ = ("blocks", "budget", "load", "locals", "macros", "raws", "scope", "services")

    def __init__(
        self, scope: Scope, services: Services, budget: Budget, load: Callable[[str], Callable[[Frame], str]]
    ) -> None:
        self.scope = scope
        self.services = services
        self.budget = budget
        self.load = load
        self.locals: dict[str, object] = {}
        self.macros: dict[str, MacroBody] | None = None
        self.blocks: dict[str, Callable[[Frame], str]] | None = None
        # Texts of raw tags, kept aside while a rendering is repeated; None when it is not.
        self.raws: list[str] | None = None

    def lookup(self, name: str) -> object:
        if self.locals and name in self.locals:
            return self.locals[name]
        return self.scope.lookup(name)

    def nested(self) -> Frame:
        """For a template rendered by a template: same budget, same variables."""
        inner = Frame(self.scope, self.services, self.budget, self.load)
        inner.locals = dict(self.locals)
        inner.raws = self.raws
        return inner

    def render_text(self, template: str) -> str:
        """One pass over a template text."""
        if "{{" not in template and "{%" not in template and "{#" not in template:
            return template
        self.budget.enter()
        self.budget.spend()
        rendered = self.load(template)(self.nested())
        self.budget.leave()
        return rendered

    def render_repeatedly(self, template: str) -> str:
        """Passes until nothing changes any more; what is inside `raw` is left alone."""
        outermost = self.raws is None
        raws = self.raws = [] if self.raws is None else self.raws
        current = template
        for _ in range(MAX_RENDERINGS):
            following = self.render_text(current)
            if following == current:
                break
            current = following
        else:
            raise ExpressionError("Too many rendering attempts")
        if outermost:
            self.raws = None
            current = restore_raws(current, raws)
        return current


def keep_raw(raws: list[str], text: str) -> str:
    raws.append(text)
    return f"\ue000{len(raws) - 1}\ue001"


def restore_raws(text: str, raws: list[str]) -> str:
    for number in reversed(range(len(raws))):
        text = text.replace(f"\ue000{number}\ue001", raws[number])
    return text
