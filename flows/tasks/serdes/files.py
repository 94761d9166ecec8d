"""What conversions share: a file of the internal storage in, another one out."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

from pydantic import Field

from flows.tasks.base import Json, RunContext, RunnableTask, TaskFailure
from flows.tasks.core.rendering import required
from flows.tasks.core.storage_items import items, write_items


class Conversion(RunnableTask):
    from_: str = Field(alias="from")
    charset: str = "UTF-8"

    def source(self, context: RunContext) -> str:
        return required(context, self.from_, "from")

    def encoding(self, context: RunContext) -> str:
        name = required(context, self.charset, "charset")
        try:
            "".encode(name)
        except LookupError:
            raise TaskFailure(f"The property `charset` names no known encoding: {name[:60]}") from None
        return name

    @contextmanager
    def text(self, context: RunContext) -> Iterator[TextIO]:
        """The source as text, read as it comes."""
        source = self.local(context)
        try:
            with source.open(encoding=self.encoding(context), newline="") as file:
                yield file
        except UnicodeDecodeError as error:
            raise TaskFailure(f"The file is not {self.charset}: {error}") from None

    def local(self, context: RunContext) -> Path:
        target: Path = context.working_directory / "source"
        return Path(context.download(self.source(context), target))

    def ion_of(self, context: RunContext, values: Iterator[Json]) -> dict[str, Json]:
        target = context.working_directory / "result.ion"
        size = write_items(target, values)
        context.metric("records", size)
        return {"uri": context.upload(target, "result.ion"), "size": size}

    def file_of(
        self, context: RunContext, suffix: str, write: Callable[[Path, Iterator[Json]], int]
    ) -> dict[str, Json]:
        """A file of another kind from the items of the Ion (or JSON lines) file."""
        target = context.working_directory / f"result{suffix}"
        size = write(target, items(context, self.source(context)))
        context.metric("records", size)
        return {"uri": context.upload(target, target.name), "size": size}


def as_map(item: Json, number: int) -> dict[str, Any]:
    if not isinstance(item, dict):
        raise TaskFailure(f"Item {number} is no map of columns")
    return item
