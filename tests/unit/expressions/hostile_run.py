"""Renders the hostile corpus in a process of its own and tells, per template, what came of it, how long and how large."""

import importlib.util
import json
import resource
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from flows.expressions.render import DictScope, ExpressionError, Limits, render

SECONDS = 0.5  # instead of the usual two: the clock works the same, and the tests end sooner
VARIABLES = {
    "a": "text",
    "list": [1, "two", None],
    "map": {"k": "v", "n": {"m": 1}},
    "moment": datetime(2024, 3, 1, tzinfo=UTC),
    "local": datetime(2024, 3, 1),  # noqa: DTZ001
    "flow": {"id": "f", "namespace": "company"},
    "variable": "x",
    "big": "a" * 500_000,
    "big2": "a" * 499_999 + "b",
    "as": "a" * 30,
    "maps": [{"k": number} for number in range(1_000)],
    "newlines": "\n" * 100_000,
    "quotes": "\"'" * 100_000,
    "numbers": [(number * 7919) % 10_007 for number in range(10_000)],
}


def loaded(name: str) -> Any:
    path = Path(__file__).with_name(f"{name}.py")
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def main() -> None:
    hostile, answers = loaded("hostile_templates").HOSTILE, loaded("services").Answers()
    answers.limits = Limits(seconds=SECONDS)
    for template in hostile:
        before, started = peak(), time.monotonic()
        try:
            told, failed = render(template, DictScope(VARIABLES), answers), ""
        except ExpressionError as error:
            told, failed = str(error), "ExpressionError"
        except BaseException as error:
            told, failed = repr(error), type(error).__name__
        seconds = time.monotonic() - started
        line = {"template": template[:300], "told": told[:5000], "failed": failed}
        print(json.dumps({**line, "seconds": seconds, "megabytes": (peak() - before) / 1024}))


def peak() -> int:
    """Kilobytes, the most that this process ever had."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


if __name__ == "__main__":
    main()
    sys.exit(0)
