"""transform.jsonata: expressions over JSON, parsed once per thread, bounded in time, depth and regular expressions."""

import threading
import time
from collections import OrderedDict
from collections.abc import Iterator
from typing import Any, ClassVar

import orjson
import regex
from jsonata.jexception import JException
from jsonata.jsonata import Jsonata
from jsonata.regex_engine import RegexFlags
from pydantic import Field

from flows.expressions.errors import ExpressionError
from flows.expressions.patterns import check_size
from flows.expressions.taint import is_tainted, spread_values
from flows.tasks.base import Isolation, Json, RunContext, RunnableTask, TaskFailure
from flows.tasks.core.rendering import required, switch
from flows.tasks.core.storage_items import items, write_items

SECONDS = 5.0
REGEX_SECONDS = 1.0
PARSED = 200
_local = threading.local()


class _Pattern:
    """What jsonata needs of a compiled pattern, with a time limit on each use."""

    def __init__(self, pattern: str, flags: RegexFlags) -> None:
        options = (regex.IGNORECASE if flags.case_insensitive else 0) | (regex.MULTILINE if flags.multiline else 0)
        check_size(pattern)
        self._pattern = regex.compile(pattern, options)
        self.pattern, self.flags = pattern, self._pattern.flags

    def search(self, string: str) -> Any:
        return self._pattern.search(string, timeout=REGEX_SECONDS)

    def finditer(self, string: str) -> Iterator[Any]:
        return iter(self._pattern.finditer(string, timeout=REGEX_SECONDS))

    def sub(self, repl: Any, string: str, count: int = 0) -> str:
        return str(self._pattern.sub(repl, string, count=count, timeout=REGEX_SECONDS))

    def split(self, string: str, maxsplit: int = 0) -> list[str]:
        return list(self._pattern.split(string, maxsplit=maxsplit, timeout=REGEX_SECONDS))


def parsed(expression: str) -> Jsonata:
    """Its own instance per thread: evaluation keeps state in it."""
    cache: OrderedDict[str, Jsonata] = _local.__dict__.setdefault("cache", OrderedDict())
    found = cache.get(expression)
    if found is None:
        found = Jsonata(expression, _Pattern)
        found.set_validate_input(False)
        cache[expression] = found
        if len(cache) > PARSED:
            cache.popitem(last=False)
    else:
        cache.move_to_end(expression)
    return found


def evaluate(expression: str, value: Json, max_depth: int) -> Json:
    """Raises TaskFailure with the reason."""
    try:
        program = parsed(expression)
        Jsonata.CURRENT.jsonata = program
        frame = program.create_frame()
        _bound(frame, max_depth)
        return program.evaluate(value, frame)
    except RecursionError:
        raise TaskFailure("The JSONata expression is nested too deeply") from None
    except TimeoutError:
        raise TaskFailure("A regular expression of the JSONata expression took too long") from None
    except (JException, ExpressionError) as error:
        raise TaskFailure(f"Cannot evaluate the JSONata expression: {error}") from None
    except (TypeError, ValueError, LookupError, AttributeError, ArithmeticError, regex.error) as error:
        raise TaskFailure(f"Cannot evaluate the JSONata expression: {error}") from None


def _bound(frame: Any, max_depth: int) -> None:
    """The library's own bounds read the clock at each of a tree's nodes; ours at every 64th."""
    deadline = time.monotonic() + SECONDS
    state = [0, 0]

    def enter(*_: Any) -> None:
        state[0] += 1
        state[1] += 1
        if state[0] > max_depth:
            raise TaskFailure(f"The JSONata expression is nested deeper than {max_depth} levels")
        if state[1] & 63 == 0 and time.monotonic() > deadline:
            raise TaskFailure(f"The JSONata expression ran for more than {SECONDS:.0f} seconds")

    def leave(*_: Any) -> None:
        state[0] -= 1

    frame.bind("__evaluate_entry", enter)
    frame.bind("__evaluate_exit", leave)


def read_json(text: Any, what: str = "from") -> Json:
    """A rendered property as JSON. Raises TaskFailure."""
    if not isinstance(text, str):
        return text
    try:
        return orjson.loads(str(text))
    except orjson.JSONDecodeError as error:
        raise TaskFailure(f"`{what}` is not valid JSON: {error}") from None


class TransformValue(RunnableTask):
    isolation: ClassVar[Isolation] = Isolation.LIGHT

    from_: str = Field(alias="from")
    expression: str
    max_depth: int = Field(default=1000, ge=1)

    def run(self, context: RunContext) -> dict[str, Json] | None:
        source, expression = context.render(self.from_), context.render(self.expression)
        value = evaluate(expression, read_json(source), self.max_depth)
        return {"value": spread_values(value) if is_tainted(source) or is_tainted(expression) else value}


class TransformItems(RunnableTask):
    """The expression on every item of a file; a list in answer is as many items, unless `explodeArray` is false."""

    from_: str = Field(alias="from")
    expression: str
    max_depth: int = Field(default=1000, ge=1)
    explode_array: Any = True

    def run(self, context: RunContext) -> dict[str, Json] | None:
        uri = required(context, self.from_, "from")
        expression = context.render(self.expression)
        explodes = switch(context, self.explode_array, "explodeArray")
        processed = 0

        def transformed() -> Iterator[Json]:
            nonlocal processed
            for item in items(context, uri):
                processed += 1
                value = evaluate(expression, item, self.max_depth)
                if explodes and isinstance(value, list):
                    yield from value
                else:
                    yield value

        target = context.working_directory / "items.ion"
        write_items(target, transformed())
        return {"uri": context.upload(target, "items.ion"), "processedItemsTotal": processed}
