"""Ion texts to plain values, bounded in depth; annotations of dates are understood, others are dropped."""

from __future__ import annotations

import base64
import re
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

import isodate

from flows.expressions.errors import BudgetExceeded, ExpressionError
from flows.expressions.java_date_parse import parse_date
from flows.expressions.values import Instant

MAX_DEPTH = 64
LONGEST_NUMBER = 1000
_TOKEN = re.compile(
    r"""(?P<space>(?:\s|//[^\n]*|/\*.*?\*/)+)
    |(?P<timestamp>\d{4}T|\d{4}-\d{2}T|\d{4}-\d{2}-\d{2}
        (?:T(?:\d{2}:\d{2}(?::\d{2}(?:\.\d+)?)?(?:Z|[+-]\d{2}:\d{2}))?)?)
    |(?P<number>[+-]inf|-?0[xX][0-9a-fA-F_]+|-?0[bB][01_]+|-?\d[\d_]*(?:\.[\d_]*)?(?:[eEdD][+-]?\d+)?)
    |(?P<long>'''(?:[^'\\]|\\.|'(?!''))*''')
    |(?P<string>"(?:[^"\\]|\\.)*")
    |(?P<quoted>'(?:[^'\\]|\\.)*')
    |(?P<symbol>[A-Za-z_$][\w$]*(?:\.[a-z]+)?)
    |(?P<blob>\{\{\s*[A-Za-z0-9+/=\s]*\}\})
    |(?P<mark>::|[{}\[\](),:])
    |(?P<operator>[!\#%&*+\-./;<=>?@^`|~]+)""",
    re.VERBOSE | re.DOTALL | re.ASCII,
)
_ESCAPE = re.compile(r"\\(?:x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|(\r\n|.))", re.DOTALL)
_ESCAPED = {
    "n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f", "0": "\0",
    "a": "\a", "v": "\v", "\n": "", "\r\n": "",
}  # fmt: skip


def parse_ion(text: str) -> list[Any]:
    """The values of a text, one after the other; raises ExpressionError with the place."""
    reader = _Reader(text)
    rows = []
    while reader.kind != "end":
        rows.append(reader.value(0))
    return rows


class _Reader:
    def __init__(self, text: str) -> None:
        self.text = text
        self.position = 0
        self.kind = ""
        self.token = ""
        self.advance()

    def advance(self) -> str:
        """The current token; moves to the next."""
        passed = self.token
        while True:
            if self.position >= len(self.text):
                self.kind, self.token = "end", ""
                return passed
            match = _TOKEN.match(self.text, self.position)
            if match is None:
                raise self.error(f'unexpected "{self.text[self.position]}"')
            self.position = match.end()
            if match.lastgroup != "space":
                self.kind, self.token = match.lastgroup or "", match.group()
                return passed

    def error(self, reason: str) -> ExpressionError:
        line = self.text.count("\n", 0, self.position) + 1
        return ExpressionError(f"Unable to read the Ion text: {reason} at line {line}")

    def is_mark(self, mark: str) -> bool:
        return self.kind == "mark" and self.token == mark

    def value(self, depth: int) -> Any:
        if depth > MAX_DEPTH:
            raise BudgetExceeded("The Ion text is nested too deeply")
        annotation = ""
        while self.kind in ("symbol", "quoted"):
            kind, word = self.kind, self.advance()
            if not self.is_mark("::"):
                return _unescaped(word[1:-1]) if kind == "quoted" else _word(word)
            self.advance()
            annotation = word.strip("'")
        value = self.bare(depth)
        return _annotated(annotation, value) if annotation and isinstance(value, str) else value

    def bare(self, depth: int) -> Any:
        kind, token = self.kind, self.token
        if kind == "mark" and token in "{[(":
            self.advance()
            return self.struct(depth) if token == "{" else self.sequence({"[": "]", "(": ")"}[token], depth)
        if kind in ("end", "mark", "operator"):
            raise self.error("a value is missing" if kind == "end" else f'unexpected "{token}"')
        self.advance()
        if kind == "string":
            return _unescaped(token[1:-1])
        if kind == "long":
            return self.long_string(token)
        if kind == "timestamp":
            return _timestamp(token)
        if kind == "blob":
            return base64.b64decode(re.sub(r"\s", "", token[2:-2])).decode(errors="replace")
        return self.number(token)

    def long_string(self, token: str) -> str:
        parts = [_unescaped(token[3:-3])]
        while self.kind == "long":
            parts.append(_unescaped(self.advance()[3:-3]))
        return "".join(parts)

    def number(self, token: str) -> int | float | Decimal:
        digits = token.replace("_", "")
        if len(digits) > LONGEST_NUMBER:
            raise self.error("the number is too long")
        try:
            if digits.endswith("inf"):
                return float(digits)
            if re.match(r"-?0[xXbB]", digits):
                return int(digits, 0)
            if "e" in digits.lower():
                return float(digits)
            if re.search(r"[.dD]", digits):
                return Decimal(re.sub(r"[dD]", "E", digits))
            return int(digits)
        except (ValueError, ArithmeticError):
            raise self.error("a number is not valid") from None

    def struct(self, depth: int) -> dict[str, Any]:
        made: dict[str, Any] = {}
        while not self.is_mark("}"):
            kind, name = self.kind, self.advance()
            if kind not in ("symbol", "quoted", "string", "long"):
                raise self.error("a field name is missing")
            if not self.is_mark(":"):
                raise self.error('":" is missing')
            self.advance()
            key = name if kind == "symbol" else _unescaped(name[3:-3] if kind == "long" else name[1:-1])
            made[key] = self.value(depth + 1)
            self.separator("}")
        self.advance()
        return made

    def sequence(self, close: str, depth: int) -> list[Any]:
        made: list[Any] = []
        while not self.is_mark(close):
            if close == ")" and self.kind == "operator":
                made.append(self.advance())
                continue
            made.append(self.value(depth + 1))
            if close == "]":
                self.separator(close)
        self.advance()
        return made

    def separator(self, close: str) -> None:
        if self.is_mark(","):
            self.advance()
        elif not self.is_mark(close):
            raise self.error('"," is missing')


def _word(word: str) -> Any:
    known = {"true": True, "false": False, "nan": float("nan")}
    if word in known:
        return known[word]
    return None if word == "null" or word.startswith("null.") else word


def _unescaped(text: str) -> str:
    return _ESCAPE.sub(_escape, text) if "\\" in text else text


def _escape(match: re.Match[str]) -> str:
    code = match[1] or match[2] or match[3]
    if code:
        number = int(code, 16)
        return chr(number) if number < 0x110000 and not 0xD800 <= number < 0xE000 else "\ufffd"
    return _ESCAPED.get(match[4], match[4])


def _timestamp(token: str) -> object:
    body = token.rstrip("T")
    if len(body) < 10:
        return body
    if "T" not in body:
        return date.fromisoformat(body)
    moment = parse_date(body, None, UTC)
    return Instant(*moment.timetuple()[:6], moment.microsecond, moment.tzinfo)


def _annotated(annotation: str, text: str) -> object:
    try:
        if annotation == "LocalDate":
            return date.fromisoformat(text)
        if annotation == "LocalTime":
            return time.fromisoformat(text)
        if annotation == "LocalDateTime":
            return datetime.fromisoformat(text)
        if annotation in ("ZonedDateTime", "OffsetDateTime"):
            return parse_date(text, None, UTC)
        if annotation == "Duration":
            duration = isodate.parse_duration(text)
            return duration if isinstance(duration, timedelta) else text
    except (ValueError, ExpressionError):
        return text
    return text
