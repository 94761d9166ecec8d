"""Secrets followed through expressions: a text knows which of its characters come from a secret."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from typing import Any

MASK = "********"
MAX_DEPTH = 64
Span = tuple[int, int]


class Tainted:
    """Marks a value that comes from a secret."""

    __slots__ = ()

    def __repr__(self) -> str:
        return MASK


class SecretStr(Tainted, str):
    """A text with secret parts; `spans` are their (start, end) places, all of it by default.

    `given`: it is a SECRET input, whole and as it was given (docs/decisions/0030 says what follows from that)."""

    __slots__ = ("given", "spans")
    spans: tuple[Span, ...]
    given: bool

    def __new__(cls, text: str, spans: Iterable[Span] | None = None, given: bool = False) -> SecretStr:
        made = super().__new__(cls, text)
        made.spans = ((0, len(text)),) if spans is None else tuple(spans)
        made.given = given
        return made

    def __reduce__(self) -> tuple[Any, ...]:
        return SecretStr, (str(self), self.spans, self.given)

    def __str__(self) -> str:
        return str.__str__(self)


class SecretInt(Tainted, int):
    pass


class SecretFloat(Tainted, float):
    pass


class SecretDecimal(Tainted, Decimal):
    pass


def spread_values(value: object) -> object:
    """As `spread`, but the keys of maps stay as they are: they come from elsewhere."""
    if isinstance(value, Mapping):
        return {key: spread_values(value[key]) for key in value}
    if isinstance(value, (list, tuple)):
        return [spread_values(item) for item in value]
    return spread(value)


def spread(
    value: object, text: Callable[[object], str] = str, depth: int = 0, done: dict[int, object] | None = None
) -> object:
    """The value with all of it secret; truth values stay, dates become texts. What it holds twice is made once."""
    if value is None or isinstance(value, (bool, Tainted)):
        return SecretStr(str(value)) if isinstance(value, SecretStr) else value
    if isinstance(value, str):
        return SecretStr(value) if value else value
    if isinstance(value, int):
        return SecretInt(value)
    if isinstance(value, float):
        return SecretFloat(value)
    if isinstance(value, Decimal):
        return SecretDecimal(value)
    if not isinstance(value, (Mapping, list, tuple)):
        return SecretStr(text(value))
    if depth > MAX_DEPTH:
        return SecretStr(MASK)
    done = {} if done is None else done
    if id(value) not in done:
        if isinstance(value, Mapping):
            done[id(value)] = {spread(key, text, depth + 1): spread(value[key], text, depth + 1, done) for key in value}
        else:
            done[id(value)] = [spread(item, text, depth + 1, done) for item in value]
    return done[id(value)]


def join(parts: list[str]) -> str:
    """The parts as one text that keeps what is secret in them."""
    if len(parts) == 1:
        return parts[0]
    whole = "".join(parts)
    spans: list[Span] = []
    position = 0
    for part in parts:
        if isinstance(part, SecretStr):
            for start, end in part.spans:
                _add(spans, position + start, position + end)
        position += len(part)
    return SecretStr(whole, spans) if spans else whole


def _add(spans: list[Span], start: int, end: int) -> None:
    if start >= end:
        return
    if spans and spans[-1][1] >= start:
        spans[-1] = (spans[-1][0], max(end, spans[-1][1]))
    else:
        spans.append((start, end))


def pieces(text: SecretStr) -> list[str]:
    """The text cut where it turns secret and back; secret pieces are SecretStr."""
    plain, cut, position = str(text), [], 0
    for start, end in text.spans:
        cut += [plain[position:start], SecretStr(plain[start:end])]
        position = end
    return [piece for piece in [*cut, plain[position:]] if piece]


def has_tainted(parts: Iterable[object]) -> bool:
    return any(isinstance(part, Tainted) for part in parts)


def is_tainted(value: object) -> bool:
    """Whether anything of the value, however deep, comes from a secret."""
    if isinstance(value, Tainted):
        return True
    if isinstance(value, (Mapping, list, tuple)):
        return _any_tainted(value)
    return False


def _any_tainted(value: object) -> bool:
    seen: set[int] = set()
    waiting: list[object] = [value]
    while waiting:
        item = waiting.pop()
        if isinstance(item, Tainted):
            return True
        if isinstance(item, str) or id(item) in seen:
            continue
        if isinstance(item, Mapping):
            seen.add(id(item))
            for key in item:
                waiting.append(key)
                waiting.append(item[key])
        elif isinstance(item, (list, tuple)):
            seen.add(id(item))
            waiting.extend(item)
    return False


def mask(value: object) -> Any:
    """The value as it may be shown: secret parts of texts are stars, other secret values are stars."""
    return _replace(value, _masked)


def reveal(value: object) -> Any:
    """The value in the clear, made of plain types: for the task itself, never for what is shown."""
    return _replace(value, _revealed)


def secrets_in(value: object) -> set[str]:
    """The secret texts inside a value, to look for in what others print."""
    found: set[str] = set()

    def note(item: Tainted) -> object:
        if isinstance(item, SecretStr):
            found.update(str(item)[start:end] for start, end in item.spans)
        else:
            found.add(str(_revealed(item)))
        return None

    _replace(value, note)
    return {text for text in found if text}


def marked(value: object, secrets: Iterable[str]) -> object:
    """The value with every occurrence of these texts marked as secret; in keys of maps they become stars."""
    known = sorted(secrets, key=len, reverse=True)
    return _marked(value, known, 0) if known else value


def _marked(value: object, secrets: list[str], depth: int) -> object:
    if isinstance(value, Tainted):
        return value
    if isinstance(value, str):
        return _with_spans(value, secrets)
    if depth > MAX_DEPTH:
        return value
    if isinstance(value, Mapping):
        return {mask(_marked(key, secrets, depth + 1)): _marked(value[key], secrets, depth + 1) for key in value}
    if isinstance(value, (list, tuple)):
        return [_marked(item, secrets, depth + 1) for item in value]
    return value


def _with_spans(text: str, secrets: list[str]) -> str:
    found: list[Span] = []
    for secret in secrets:
        start = text.find(secret)
        while start >= 0:
            found.append((start, start + len(secret)))
            start = text.find(secret, start + len(secret))
    if not found:
        return text
    spans: list[Span] = []
    for start, end in sorted(found):
        _add(spans, start, end)
    return SecretStr(text, spans)


def _masked(value: Tainted) -> object:
    if not isinstance(value, SecretStr):
        return MASK
    return "".join([MASK if isinstance(piece, SecretStr) else piece for piece in pieces(value)])


def _revealed(value: Tainted) -> object:
    if isinstance(value, SecretStr):
        return "".join([str(value)])
    if isinstance(value, SecretInt):
        return int(value)
    return float(value) if isinstance(value, SecretFloat) else Decimal(str(Decimal(value)))  # type: ignore[arg-type]


def _replace(value: object, change: Callable[[Tainted], object], done: dict[int, object] | None = None) -> object:
    """What the value holds several times is replaced once."""
    if isinstance(value, Tainted):
        return change(value)
    if isinstance(value, str) or not isinstance(value, (Mapping, list, tuple)):
        return value
    done = {} if done is None else done
    if id(value) not in done:
        if isinstance(value, Mapping):
            done[id(value)] = {_replace(key, change): _replace(value[key], change, done) for key in value}
        else:
            done[id(value)] = [_replace(item, change, done) for item in value]
    return done[id(value)]
