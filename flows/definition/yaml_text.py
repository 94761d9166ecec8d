"""Plain data to YAML as a person writes it: block style, literal blocks for text of several lines. Pure."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

import orjson

_PLAIN = re.compile(r"[A-Za-z_/](?:[\w./@()-]| (?! |$|#))*")
_RESERVED = frozenset(
    {"null", "true", "false", "yes", "no", "on", "off", "y", "n"}
)  # those of YAML 1.1 too: other tools read these files
_NOT_IN_BLOCK = re.compile(r"[^\n\t\x20-\x7e\xa0-\u2027\u202a-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]")


def to_yaml(value: Any) -> str:
    """Read again by `yaml_guard`, it gives the same data."""
    return "\n".join(_lines(value, 0)) + "\n"


def _lines(value: Any, indent: int) -> Iterator[str]:
    pad = " " * indent
    if isinstance(value, Mapping) and value:
        for key, item in value.items():
            yield from _entry(f"{pad}{_scalar(str(key))}:", item, indent + 2, indent)
    elif isinstance(value, list | tuple) and value:
        for item in value:
            yield from _item(item, indent)
    else:
        yield pad + _inline(value)


def _entry(head: str, item: Any, inner: int, indent: int) -> Iterator[str]:
    if isinstance(item, Mapping | list | tuple) and item:
        yield head
        yield from _lines(item, inner if isinstance(item, Mapping) else indent + 2)
    elif isinstance(item, str) and "\n" in item and not _NOT_IN_BLOCK.search(item):
        yield from _block(head, item, inner)
    else:
        yield f"{head} {_inline(item)}"


def _item(item: Any, indent: int) -> Iterator[str]:
    pad = " " * indent
    if isinstance(item, Mapping | list | tuple) and item:
        first, *rest = _lines(item, indent + 2)
        yield f"{pad}- {first[indent + 2 :]}"
        yield from rest
    else:
        yield from _entry(f"{pad}-", item, indent + 2, indent)


def _block(head: str, text: str, indent: int) -> Iterator[str]:
    body = text.rstrip("\n")
    trailing = len(text) - len(body)
    chomp = "-" if trailing == 0 else "" if trailing == 1 and body else "+"
    hint = "2" if text[0] in " \n\t" or not body else ""
    yield f"{head} |{hint}{chomp}"
    lines = body.split("\n") if body else []
    lines += [""] * (trailing - 1 if body else trailing)
    for line in lines:
        yield " " * indent + line if line else ""


def _inline(value: Any) -> str:
    if isinstance(value, Mapping):
        return "{}"
    if isinstance(value, list | tuple):
        return "[]"
    if isinstance(value, str):
        return _scalar(value)
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    return _number(value)


def _number(value: Any) -> str:
    if isinstance(value, float) and value in (float("inf"), float("-inf")):
        return ".inf" if value > 0 else "-.inf"
    if value != value:
        return ".nan"
    return repr(value) if isinstance(value, int | float) else _scalar(str(value))


def _scalar(text: str) -> str:
    if _PLAIN.fullmatch(text) and text.lower() not in _RESERVED:
        return text
    # A JSON text is a YAML text, but for what YAML calls unprintable.
    quoted = orjson.dumps(text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")).decode()
    return _NOT_IN_BLOCK.sub(lambda match: _escaped(match[0]), quoted)


def _escaped(character: str) -> str:
    code = ord(character)
    return f"\\U{code:08x}" if code > 0xFFFF else f"\\u{code:04x}"
