"""YAML as Kestra's mapper writes it; knows nothing of templates."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from flows.expressions.budget import TextWriter
from flows.expressions.errors import BudgetExceeded
from flows.expressions.json_text import iso_text, key_text

MAX_DEPTH = 64


def _spellings(word: str) -> tuple[str, str, str]:
    return word, word.capitalize(), word.upper()


_RESERVED = frozenset(
    {word for base in ("true", "false", "yes", "no", "on", "off", "null") for word in _spellings(base)}
    | {"~", "y", "Y", "n", "N"}
)
_NEEDS_QUOTES = re.compile(r"""^$|^\s|\s$|^[\[\]{},"'|>&*!%@`#]|^[-?:](\s|$)|:(\s|$)|\s\#|[\x00-\x08\x0b-\x1f\x7f]""")


def to_yaml(value: object) -> str:
    writer = TextWriter()
    if isinstance(value, Mapping) and len(value):
        _map(value, writer, 0, 0)
    elif isinstance(value, (list, tuple)) and value:
        _list(value, writer, 0, 0)
    else:
        _leaf(value, writer, 0)
    return writer.text()


def _map(value: Mapping[object, object], writer: TextWriter, indent: int, depth: int, first: bool = False) -> None:
    _check(depth)
    for number, key in enumerate(value):
        name = key_text(key)
        writer.add("" if first and number == 0 else " " * indent)
        writer.add(_plain(str(name)), name)
        writer.add(":")
        _value(value[key], writer, indent, depth)


def _value(value: object, writer: TextWriter, indent: int, depth: int) -> None:
    """What follows `key:`."""
    if isinstance(value, Mapping) and len(value):
        writer.add("\n")
        _map(value, writer, indent + 2, depth + 1)
    elif isinstance(value, (list, tuple)) and value:
        writer.add("\n")
        _list(value, writer, indent, depth + 1)
    else:
        writer.add(" ")
        _leaf(value, writer, indent + 2)


def _list(value: Any, writer: TextWriter, indent: int, depth: int, first: bool = False) -> None:
    # The indicator stands one space in, as with Jackson's INDENT_ARRAYS.
    _check(depth)
    for number, item in enumerate(value):
        writer.add("" if first and number == 0 else " " * indent)
        writer.add(" - ")
        if isinstance(item, Mapping) and len(item):
            _map(item, writer, indent + 3, depth + 1, first=True)
        elif isinstance(item, (list, tuple)) and item:
            _list(item, writer, indent + 3, depth + 1, first=True)
        else:
            _leaf(item, writer, indent + 3)


def _leaf(value: object, writer: TextWriter, indent: int) -> None:
    if isinstance(value, Mapping):
        text = "{}"
    elif isinstance(value, (list, tuple)):
        text = "[]"
    elif isinstance(value, str):
        text = _block(str(value), indent) if "\n" in value else _plain(str(value))
    else:
        text = iso_text(value)
    writer.add(text, value)
    writer.add("\n")


def _plain(text: str) -> str:
    if text in _RESERVED or _NEEDS_QUOTES.search(text):
        return _quoted(text)
    return text


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\t", "\\t").replace("\r", "\\r")
    return '"' + re.sub(r"[\x00-\x1f\x7f]", lambda match: f"\\x{ord(match[0]):02x}", escaped) + '"'


def _block(text: str, indent: int) -> str:
    """A literal block; the mark after `|` tells what becomes of the line ends at the end."""
    body = text.rstrip("\n")
    ends = len(text) - len(body)
    mark = "-" if ends == 0 else "" if ends == 1 else "+"
    if not body or body[0] in " \t" or re.search(r"[\x00-\x08\x0b-\x1f\x7f]", body):
        return _quoted(text).replace("\n", "\\n")
    margin = " " * (indent or 2)
    lines = "\n".join(margin + line if line else "" for line in body.split("\n"))
    return f"|{mark}\n{lines}" + "\n" * max(0, ends - 1)


def _check(depth: int) -> None:
    if depth > MAX_DEPTH:
        raise BudgetExceeded("The value is nested too deeply for YAML")
