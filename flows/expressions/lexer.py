"""Template text to text, tags and tokens (Pebble's lexical rules); knows nothing of the grammar."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from flows.expressions.errors import syntax_error

END = "end"
NAME = "name"
NUMBER = "number"
STRING = "string"
SYMBOL = "symbol"


class Token(NamedTuple):
    kind: str
    value: str
    position: int


class TextPiece(NamedTuple):
    text: str
    raw: bool


class Tag(NamedTuple):
    """`{{ … }}` (kind `{{`) or `{% … %}` (kind `{%`), its tokens closed by an END token."""

    kind: str
    tokens: list[Token]
    position: int


_OPEN = re.compile(r"\{\{|\{%|\{#")
_TOKEN = re.compile(
    r"""(?P<space>\s+)
    |(?P<name>[^\W\d]\w*)
    |(?P<number>\d+(?:\.\d+)?(?:[eE][+-]?\d+(?![\w]))?L?)
    |(?P<string>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')
    |(?P<close>-?(?:\}\}|%\}))
    |(?P<symbol>\?\?\?|\?\?|==|!=|>=|<=|\.\.|\&\&|\|\||[-+*/%|~><=?:.,()\[\]{}])""",
    re.VERBOSE | re.DOTALL,
)
_RAW = re.compile(r"\{%(-?)\s*(raw|verbatim)\s*(-?)%\}")
_PAIRS = {"(": ")", "[": "]", "{": "}"}


def split(source: str) -> Iterator[TextPiece | Tag]:
    """The pieces of a template in order, white space trimmed where a tag asks for it."""
    position = 0
    trim_start = False
    while True:
        opening = _OPEN.search(source, position)
        end = opening.start() if opening else len(source)
        text = source[position:end]
        if trim_start:
            text = text.lstrip()
        if opening is None:
            if text:
                yield TextPiece(text, raw=False)
            return
        if source.startswith("-", opening.end()):
            text = text.rstrip()
        if text:
            yield TextPiece(text, raw=False)
        if opening.group() == "{#":
            position, trim_start = _skip_comment(source, opening.end())
            continue
        raw = _RAW.match(source, opening.start()) if opening.group() == "{%" else None
        if raw:
            piece, position, trim_start = _read_raw(source, raw)
            yield piece
            continue
        tag, position, trim_start = _read_tag(source, opening)
        yield tag


def _skip_comment(source: str, start: int) -> tuple[int, bool]:
    end = source.find("#}", start)
    if end < 0:
        raise syntax_error("Unclosed comment", source, start - 2)
    return end + 2, source[end - 1] == "-" and end - 1 >= start


def _read_raw(source: str, opening: re.Match[str]) -> tuple[TextPiece, int, bool]:
    closing = re.compile(r"\{%(-?)\s*end" + opening.group(2) + r"\s*(-?)%\}").search(source, opening.end())
    if closing is None:
        raise syntax_error(f'Unclosed "{opening.group(2)}" tag', source, opening.start())
    text = source[opening.end() : closing.start()]
    if opening.group(3):
        text = text.lstrip()
    if closing.group(1):
        text = text.rstrip()
    return TextPiece(text, raw=True), closing.end(), bool(closing.group(2))


def _read_tag(source: str, opening: re.Match[str]) -> tuple[Tag, int, bool]:
    kind = opening.group()
    position = opening.end()
    if source.startswith("-", position):
        position += 1
    tokens, position, trim = _read_tokens(source, position, "}}" if kind == "{{" else "%}", opening.start())
    return Tag(kind, tokens, opening.start()), position, trim


def _read_tokens(source: str, position: int, close: str, start: int) -> tuple[list[Token], int, bool]:
    tokens: list[Token] = []
    brackets: list[str] = []
    while True:
        match = _TOKEN.match(source, position)
        if match is None:
            if position >= len(source):
                raise syntax_error(f'Unclosed expression: "{close}" is missing', source, start)
            raise syntax_error(f'Unexpected character "{source[position]}"', source, position)
        kind = match.lastgroup or ""
        text = match.group()
        if kind == "close" and not brackets and text.endswith(close):
            tokens.append(Token(END, close, position))
            return tokens, match.end(), text.startswith("-")
        if kind == "close":
            # "}}" may close two maps, "%}" may be a modulo before a closing brace.
            kind, text = SYMBOL, text[0]
        if kind != "space":
            if kind == SYMBOL:
                _track(source, brackets, text, position)
            tokens.append(Token(kind, text, position))
        position += len(text)


def _track(source: str, brackets: list[str], symbol: str, position: int) -> None:
    if symbol in _PAIRS:
        brackets.append(_PAIRS[symbol])
    elif symbol in ")]}" and (not brackets or brackets.pop() != symbol):
        raise syntax_error(f'Unexpected "{symbol}"', source, position)


def tokens_of(source: str, text: str, offset: int) -> list[Token]:
    """Tokens of an expression inside a text (`"#{…}"`); positions count from `offset` of the template."""
    tokens: list[Token] = []
    position = 0
    while position < len(text):
        match = _TOKEN.match(text, position)
        if match is None or match.lastgroup == "close":
            raise syntax_error(f'Unexpected character "{text[position]}"', source, offset + position)
        if match.lastgroup != "space":
            tokens.append(Token(match.lastgroup or "", match.group(), offset + position))
        position = match.end()
    tokens.append(Token(END, "}", offset + position))
    return tokens
