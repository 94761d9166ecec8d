"""core.storage tasks on the items of a file, one Ion or JSON value per line: filtered, deduplicated."""

from collections.abc import Iterator
from pathlib import Path

import orjson
from pydantic import Field

from flows.expressions.errors import ExpressionError
from flows.expressions.ion import to_ion
from flows.expressions.ion_reader import parse_ion
from flows.tasks.base import Json, RunContext, RunnableTask, TaskFailure
from flows.tasks.core.rendering import one_of, required
from flows.tasks.core.storage_files import lines

BEHAVIORS = ("FAIL", "INCLUDE", "EXCLUDE")


def items(context: RunContext, uri: str) -> Iterator[Json]:
    """The values of a file, a line at a time."""
    with context.storage.open(uri) as source:
        for number, line in enumerate(lines(source, b"\n"), start=1):
            yield from _values(line, number)


def _values(line: bytes, number: int) -> list[Json]:
    if not line.strip():
        return []
    try:
        return [orjson.loads(line)]
    except orjson.JSONDecodeError:
        pass
    try:
        return list(parse_ion(line.decode("utf-8", "replace")))
    except ExpressionError as error:
        raise TaskFailure(f"Line {number} is neither JSON nor Ion: {error}") from None


def write_items(target: Path, values: Iterator[Json]) -> int:
    count = 0
    with target.open("w", encoding="utf-8") as file:
        for value in values:
            file.write(to_ion(value) + "\n")
            count += 1
    return count


def known(item: Json) -> dict[str, Json]:
    """What an expression sees of an item: its fields, and the whole as `item`."""
    return (
        {**{str(name): value for name, value in item.items()}, "item": item}
        if isinstance(item, dict)
        else {"item": item}
    )


class FilterItems(RunnableTask):
    from_: str = Field(alias="from")
    filter_condition: str
    filter_type: str = "INCLUDE"
    error_or_null_behavior: str = "FAIL"

    def run(self, context: RunContext) -> dict[str, Json] | None:
        uri = required(context, self.from_, "from")
        includes = one_of(str(context.render(self.filter_type)), ("INCLUDE", "EXCLUDE"), "filterType") == "INCLUDE"
        behavior = one_of(str(context.render(self.error_or_null_behavior)), BEHAVIORS, "errorOrNullBehavior")
        processed = 0

        def kept() -> Iterator[Json]:
            nonlocal processed
            for item in items(context, uri):
                processed += 1
                if self._keeps(context, item, includes, behavior):
                    yield item

        target = context.working_directory / "filtered.ion"
        count = write_items(target, kept())
        return {
            "uri": context.upload(target, "filtered.ion"),
            "processedItemsTotal": processed,
            "droppedItemsTotal": processed - count,
        }

    def _keeps(self, context: RunContext, item: Json, includes: bool, behavior: str) -> bool:
        try:
            answer = str(context.render(self.filter_condition, known(item))).strip().lower()
            problem = "" if answer in ("true", "false") else f"it is {answer[:40]!r}, neither true nor false"
        except ExpressionError as error:
            answer, problem = "", str(error)
        if not problem:
            return (answer == "true") == includes
        if behavior == "FAIL":
            raise TaskFailure(f"`filterCondition` cannot be evaluated for {to_ion(item)[:200]}: {problem}")
        return behavior == "INCLUDE"


class DeduplicateItems(RunnableTask):
    """Of the items with the same key the last one stays, where it stands."""

    from_: str = Field(alias="from")
    expr: str

    def run(self, context: RunContext) -> dict[str, Json] | None:
        uri = required(context, self.from_, "from")
        last: dict[str, int] = {}
        processed = 0
        for position, item in enumerate(items(context, uri)):
            key = str(context.render(self.expr, known(item)))
            if not key:
                raise TaskFailure(f"`expr` gives no key for {to_ion(item)[:200]}")
            last[key] = position
            processed = position + 1
        stays = set(last.values())
        target = context.working_directory / "deduplicated.ion"
        write_items(target, (item for position, item in enumerate(items(context, uri)) if position in stays))
        return {
            "uri": context.upload(target, "deduplicated.ion"),
            "numKeys": len(last),
            "processedItemsTotal": processed,
            "droppedItemsTotal": processed - len(last),
        }
