"""Regular expressions with a time limit, in Java's spelling; none runs without one."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import regex

from flows.expressions.budget import LONGEST_PATTERN, Budget
from flows.expressions.errors import BudgetExceeded, ExpressionError

PLAIN_DELIMITER = frozenset(".$|()[{^?*+\\")


def compiled(pattern: str) -> Any:
    if len(pattern) > LONGEST_PATTERN:
        raise BudgetExceeded(f"The regular expression is longer than {LONGEST_PATTERN} characters")
    check_size(pattern)
    try:
        return _compiled(str(pattern))
    except (regex.error, RecursionError, OverflowError, ValueError):
        raise ExpressionError("The regular expression is not valid") from None


_TOKENS = regex.compile(
    r"\\.|\[\^?\]?(?:\\.|[^\]\\])*\]|(?P<call>\(\?(?:[R0-9+-]\d*\)|&|P>))|(?P<open>\()|(?P<close>\))"
    r"|\{(?P<low>\d{1,9})(?:,(?P<high>\d{0,9}))?\}|(?P<fuzzy>\{[^},]*[eids][^}]*\})|.",
    regex.DOTALL,
)
MAX_SIZE = 50_000


def check_size(pattern: str) -> None:
    """Refuses what is no Java and what would be huge when compiled: counted repetitions multiply, calls recurse."""
    sizes: list[list[int]] = [[]]  # of the parts of each open group
    for token in _TOKENS.finditer(pattern):
        kind = token.lastgroup
        if kind in ("call", "fuzzy"):
            raise ExpressionError("The regular expression is not valid")
        if kind == "open":
            sizes.append([])
        elif kind == "close" and len(sizes) > 1:
            size = sum(sizes.pop()) + 1
            sizes[-1].append(size)
        elif kind in ("low", "high") and sizes[-1]:
            sizes[-1][-1] *= max(int(token["low"]), int(token["high"] or 0), 1)
        else:
            sizes[-1].append(1)
        if sizes[-1] and sizes[-1][-1] > MAX_SIZE:
            raise BudgetExceeded("The regular expression repeats too often")
    if sum(map(sum, sizes)) > MAX_SIZE:
        raise BudgetExceeded("The regular expression repeats too often")


@lru_cache(maxsize=256)
def _compiled(pattern: str) -> Any:
    return regex.compile(pattern, regex.VERSION0)


def finds(budget: Budget, pattern: str, text: str, full: bool = False) -> Any:
    """The first match, or None."""
    expression = compiled(pattern)
    search = expression.fullmatch if full else expression.search
    try:
        return search(text, timeout=budget.regex_seconds(), concurrent=True)
    except TimeoutError:
        raise _too_slow() from None


def all_matches(budget: Budget, pattern: str, text: str) -> list[Any]:
    expression = compiled(pattern)
    found: list[Any] = []
    try:
        for match in expression.finditer(text, timeout=budget.regex_seconds(), concurrent=True):
            found.append(match)
            if len(found) % 1000 == 0:
                budget.check_items(4000)
                budget.spend()
    except TimeoutError:
        raise _too_slow() from None
    return found


def replace_all(budget: Budget, pattern: str, text: str, replacement: str, at: int | None = None) -> str:
    """Java's `replaceAll`: `$1` and `${name}` are groups, a backslash makes the next character plain.

    `at`: only the match that begins there."""
    pieces = _replacement(replacement)
    parts: list[str] = []
    position = size = 0
    for match in all_matches(budget, pattern, text):
        if at is not None and match.start() != at:
            continue
        parts.append(text[position : match.start()])
        for piece in pieces:
            parts.append(piece if isinstance(piece, str) else _group(match, piece[0]))
        size += sum(map(len, parts[-len(pieces) - 1 :]))
        if size > budget.limits.output:
            budget.check_text(size)
        position = match.end()
    return "".join([*parts, text[position:]])


def _group(match: Any, name: str) -> str:
    try:
        return match.group(int(name) if name.isdigit() else name) or ""
    except IndexError:
        raise ExpressionError(f"The regular expression has no group {name}") from None


@lru_cache(maxsize=256)
def _replacement(text: str) -> list[str | tuple[str]]:
    pieces: list[str | tuple[str]] = []
    for match in regex.finditer(r"\\(.)|\$(\d)|\$\{(\w+)\}|([^\\$]+|[\\$])", text, flags=regex.DOTALL):
        escaped, number, name, plain = match.groups()
        group = number or name
        pieces.append((group,) if group else escaped if escaped is not None else plain)
    return pieces


def split_text(budget: Budget, text: str, delimiter: str, limit: int) -> list[str]:
    """Java's `String.split`: a regular expression; without limit, empty texts at the end are dropped."""
    if delimiter and not PLAIN_DELIMITER & set(delimiter):
        budget.check_items(text.count(delimiter) + 1)
        parts = text.split(delimiter, limit - 1 if limit > 0 else -1)
    else:
        parts = _split_by_pattern(budget, text, delimiter, limit)
    if limit == 0:
        while len(parts) > 1 and not parts[-1]:
            parts.pop()
        if parts == [""] and text:
            return []
    return parts


def _split_by_pattern(budget: Budget, text: str, pattern: str, limit: int) -> list[str]:
    parts: list[str] = []
    position = 0
    for match in all_matches(budget, pattern, text):
        if limit > 0 and len(parts) == limit - 1:
            break
        if match.end() == 0 or (match.start() == match.end() == len(text)):
            continue
        parts.append(text[position : match.start()])
        position = match.end()
    budget.check_items(len(parts))
    return [*parts, text[position:]]


def _too_slow() -> ExpressionError:
    return BudgetExceeded("The regular expression took too long")
