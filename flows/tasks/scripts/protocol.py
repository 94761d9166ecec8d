"""The lines that a script prints for us: `::{"outputs": {...}, "metrics": [...], "logs": [...]}::`."""

import re
from collections.abc import Mapping
from typing import Any

import orjson

from flows.definition.durations import parse_duration
from flows.tasks.base import Json, RunContext

_LINE = re.compile(r"^::(\{.*\})::\s*$")


class Console:
    """Takes both streams line by line: counts, logs, gathers `vars`."""

    def __init__(self, context: RunContext) -> None:
        self._context = context
        self.vars: dict[str, Json] = {}
        self.out_lines = 0
        self.err_lines = 0

    def take(self, stream: str, line: str) -> None:
        if stream == "err":
            self.err_lines += 1
        else:
            self.out_lines += 1
        match = _LINE.match(line)
        if match is not None and self._is_taken(match[1]):
            return
        self._context.log("ERROR" if stream == "err" else "INFO", line)

    def _is_taken(self, text: str) -> bool:
        try:
            told = orjson.loads(text)
        except orjson.JSONDecodeError as error:
            self._context.log("WARN", f"Invalid outputs '{text[:200]}': {error}")
            return False
        outputs = told.get("outputs")
        if isinstance(outputs, Mapping):
            self.vars.update(outputs)
        for metric in _list(told.get("metrics")):
            self._metric(metric)
        for entry in _list(told.get("logs")):
            if isinstance(entry, Mapping):
                self._context.log(str(entry.get("level", "INFO")).upper(), str(entry.get("message", "")))
        return True

    def _metric(self, metric: Any) -> None:
        try:
            kind = str(metric.get("type", "counter")).lower()
            value = metric["value"]
            if kind == "timer":
                value = parse_duration(value).total_seconds()
            tags = {str(key): str(item) for key, item in (metric.get("tags") or {}).items()}
            self._context.metric(str(metric["name"]), float(value), kind, tags)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            self._context.log("WARN", f"Invalid metric {str(metric)[:200]}: {error}")


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
