"""What can go wrong while a template is read or rendered; knows nothing of how either is done."""

from __future__ import annotations

from dataclasses import dataclass

LONGEST_QUOTED_TEMPLATE = 1000


class ExpressionError(Exception):
    """A template that cannot be read or rendered; `message` names the place when it is known."""

    def __init__(self, message: str, line: int | None = None, column: int | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.line = line
        self.column = column

    def __str__(self) -> str:
        return self.message


class BudgetExceeded(ExpressionError):
    """The rendering asked for more steps, text, depth or time than it may have."""


class Missing(Exception):
    """A name or attribute is not there: `??`, `is defined` and `default` catch it, else it is an error."""

    def __init__(self, name: str, position: int) -> None:
        super().__init__(name)
        self.name = name
        self.position = position


@dataclass(frozen=True, slots=True)
class Call:
    """A question that only the outside can answer; `arguments` is their JSON text."""

    name: str
    arguments: str


class NeedsResolve(Exception):
    """The answer to a question is not known yet: the executor asks and renders again."""

    def __init__(self, call: Call) -> None:
        super().__init__(call.name)
        self.call = call


def place_of(source: str, position: int) -> tuple[int, int]:
    """Line and column, both from 1."""
    before = source[:position]
    return before.count("\n") + 1, position - (before.rfind("\n") + 1) + 1


def quoted(source: str) -> str:
    if len(source) <= LONGEST_QUOTED_TEMPLATE:
        return source
    return source[:LONGEST_QUOTED_TEMPLATE] + "…"


def missing_error(missing: Missing, source: str) -> ExpressionError:
    line, column = place_of(source, missing.position)
    text = f"Unable to find `{missing.name}` used in the expression `{quoted(source)}` at line {line}"
    return ExpressionError(f"{text}, column {column}", line, column)


def located(error: ExpressionError, source: str, position: int) -> ExpressionError:
    """The same error with its place; the first line stays the bare reason."""
    if error.line is None:
        error.line, error.column = place_of(source, position)
        error.message += f"\nin the expression `{quoted(source)}` at line {error.line}, column {error.column}"
    return error


def syntax_error(message: str, source: str, position: int) -> ExpressionError:
    line, column = place_of(source, position)
    return ExpressionError(
        f"{message} at line {line}, column {column} of the expression `{quoted(source)}`", line, column
    )
