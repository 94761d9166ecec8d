"""jq: paths are followed here, within the budget; every other program is a question to Services."""

from __future__ import annotations

from typing import NamedTuple

import regex

from flows.expressions.errors import ExpressionError
from flows.expressions.frame import Frame
from flows.expressions.json_text import check_written
from flows.expressions.taint import is_tainted, reveal, spread

MAX_ITEMS = 200_000


class Step(NamedTuple):
    """One part of a path: `key` (a text, an index, a slice) or, when it is None, every item."""

    key: str | int | slice | None
    optional: bool


_PART = regex.compile(
    r"""\.?\[\s*(?:"(?P<quoted>[^"\\]*)"|(?P<from>-?\d+)?(?P<colon>:)?(?P<to>-?\d+)?)\s*\](?P<optional>\?)?
    |\.(?P<name>[A-Za-z_]\w*)(?P<optional_name>\?)?
    |\."(?P<text>[^"\\]*)"(?P<optional_text>\?)?""",
    regex.VERBOSE,
)


def jq_run(frame: Frame, program: str, value: object) -> list[object]:
    """What the program gives for a JSON value."""
    steps = parse_path(program)
    if steps is None:
        check_written(value, MAX_ITEMS)
        answer = frame.services.call("jq", {"program": str(program), "value": reveal(value)})
        if not isinstance(answer, list):
            raise ExpressionError("jq gave no list")
        return spread(answer) if is_tainted(value) else answer  # type: ignore[return-value]
    found = [value]
    for step in steps:
        following: list[object] = []
        for item in found:
            following.extend(_follow(item, step))
        frame.budget.check_items(len(following))
        frame.budget.spend()
        found = following
    return found


def parse_path(program: str) -> list[Step] | None:
    """The steps of a program made of paths and pipes only; None for any other."""
    steps: list[Step] = []
    for path in program.split("|"):
        path = path.strip()
        if path == ".":
            continue
        found = _parse_steps(path)
        if found is None:
            return None
        steps += found
    return steps


def _parse_steps(path: str) -> list[Step] | None:
    steps: list[Step] = []
    position = 0
    if not path.startswith("."):
        return None
    while position < len(path):
        match = _PART.match(path, position)
        if match is None:
            return None
        steps.append(_step(match.groupdict()))
        position = match.end()
    return steps


def _step(part: dict[str, str | None]) -> Step:
    optional = bool(part["optional"] or part["optional_name"] or part["optional_text"])
    for kind in ("quoted", "name", "text"):
        if part[kind] is not None:
            return Step(part[kind], optional)
    start, end = part["from"], part["to"]
    if part["colon"]:
        return Step(slice(int(start) if start else None, int(end) if end else None), optional)
    return Step(int(start) if start else None, optional)


def _follow(item: object, step: Step) -> list[object]:
    key = step.key
    if key is None and isinstance(item, (list, dict)):
        return list(item.values()) if isinstance(item, dict) else list(item)
    if item is None and key is not None:
        return [None]
    if isinstance(item, dict) and isinstance(key, str):
        return [item.get(key)]
    if isinstance(item, list) and isinstance(key, int):
        return [item[key] if -len(item) <= key < len(item) else None]
    if isinstance(item, (list, str)) and isinstance(key, slice):
        return [item[key]]
    if step.optional:
        return []
    what = "iterate over" if key is None else "index"
    raise ExpressionError(f"Cannot {what} {_kind(item)}" + (f' with "{key}"' if isinstance(key, str) else ""))


def _kind(item: object) -> str:
    if item is None:
        return "null"
    if isinstance(item, bool):
        return "boolean"
    if isinstance(item, str):
        return "string"
    return "object" if isinstance(item, dict) else "array" if isinstance(item, list) else "number"
