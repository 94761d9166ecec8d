"""YAML texts to plain values (YAML 1.2 core scalars), bounded in depth and nodes; tags are not acted on."""

from __future__ import annotations

import math
import re
from typing import Any

import yaml

from flows.expressions.errors import BudgetExceeded, ExpressionError

MAX_DEPTH = 64
MAX_NODES = 50_000
_INTEGER = re.compile(r"[-+]?\d{1,1000}", re.ASCII)
_BASED = re.compile(r"0x[0-9a-fA-F]{1,100}|0o[0-7]{1,100}")
_FLOAT = re.compile(r"[-+]?(?:\.\d+|\d+(?:\.\d*)?)(?:[eE][-+]?\d{1,9})?", re.ASCII)
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def parse_yaml(text: str) -> Any:
    """The first document; raises ExpressionError with the place."""
    try:
        return _Builder().build(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        place = f" at line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        problem = getattr(error, "problem", None) or "the text is not valid"
        raise ExpressionError(f"Unable to read the YAML text: {problem}{place}") from None


class _Builder:
    """Builds from parser events with a stack of its own: the C loader crashes on deep nesting."""

    def __init__(self) -> None:
        self.stack: list[tuple[Any, str | None]] = []
        self.keys: list[Any] = []
        self.anchors: dict[str, Any] = {}
        self.root: Any = None
        self.done = False
        self.nodes = 0

    def build(self, text: str) -> Any:
        for event in yaml.parse(text, Loader=_LOADER):
            self.handle(event)
            if self.done and not self.stack:
                return self.root
        return self.root

    def handle(self, event: Any) -> None:
        if isinstance(event, yaml.ScalarEvent):
            value = _scalar(event.value) if event.implicit[0] else event.value
            self.add(value, event.anchor)
        elif isinstance(event, yaml.AliasEvent):
            if event.anchor not in self.anchors:
                raise ExpressionError("Unable to read the YAML text: unknown alias")
            self.add(self.anchors[event.anchor], None)
        elif isinstance(event, yaml.MappingStartEvent):
            self.open({}, event.anchor)
        elif isinstance(event, yaml.SequenceStartEvent):
            self.open([], event.anchor)
        elif isinstance(event, (yaml.MappingEndEvent, yaml.SequenceEndEvent)):
            value, anchor = self.stack.pop()
            self.keys.pop()
            self.add(value, anchor)

    def open(self, value: Any, anchor: str | None) -> None:
        if len(self.stack) >= MAX_DEPTH:
            raise BudgetExceeded("The YAML text is nested too deeply")
        self.stack.append((value, anchor))
        self.keys.append(_NO_KEY)

    def add(self, value: Any, anchor: str | None) -> None:
        self.nodes += 1
        if self.nodes > MAX_NODES:
            raise BudgetExceeded(f"The YAML text has more than {MAX_NODES} nodes")
        if anchor:
            self.anchors[anchor] = value
        if not self.stack:
            self.root, self.done = value, True
            return
        holder = self.stack[-1][0]
        if isinstance(holder, list):
            holder.append(value)
        elif self.keys[-1] is _NO_KEY:
            self.keys[-1] = value
        else:
            self.put(holder, self.keys[-1], value)
            self.keys[-1] = _NO_KEY

    def put(self, holder: dict[Any, Any], key: Any, value: Any) -> None:
        if key == "<<" and isinstance(value, (dict, list)):
            for merged in value if isinstance(value, list) else [value]:
                for name in merged if isinstance(merged, dict) else ():
                    holder.setdefault(name, merged[name])
            return
        if isinstance(key, (dict, list)):
            raise ExpressionError("Unable to read the YAML text: a map or a list cannot be a key")
        holder["" if key is None else key] = value


_NO_KEY = object()
_WORDS: dict[str, Any] = {"": None, "~": None, "null": None, "Null": None, "NULL": None}
_WORDS |= {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
_WORDS |= {".inf": math.inf, "-.inf": -math.inf, ".nan": math.nan}


def _scalar(text: str) -> Any:
    if text in _WORDS:
        return _WORDS[text]
    if _INTEGER.fullmatch(text):
        return int(text)
    if _FLOAT.fullmatch(text):
        return float(text)
    return int(text, 0) if _BASED.fullmatch(text) else text
