"""core.storage tasks on whole files of the internal storage: written, joined, split, reversed, measured, deleted."""

from collections.abc import Iterator
from itertools import islice
from typing import Any, BinaryIO

from pydantic import Field, model_validator

from flows.tasks.base import Json, RunContext, RunnableTask, TaskFailure
from flows.tasks.core.rendering import byte_size, number, required, switch, text, texts

CHUNK = 1 << 20
MAX_FILES = 10_000
LONGEST_LINE = 64 << 20


class Write(RunnableTask):
    content: str
    extension: str | None = None

    def run(self, context: RunContext) -> dict[str, Json] | None:
        content = context.render(self.content)
        encoded = (content if isinstance(content, str) else str(content)).encode("utf-8", "replace")
        return {"uri": context.upload(encoded, f"content{_extension(text(context, self.extension))}")}


class Concat(RunnableTask):
    files: Any
    separator: str | None = None
    extension: str = ".tmp"

    def run(self, context: RunContext) -> dict[str, Json] | None:
        separator = "" if self.separator is None else str(context.render(self.separator))
        target = context.working_directory / "concat"
        with target.open("wb") as file:
            for position, uri in enumerate(texts(context, self.files, "files")):
                if position:
                    file.write(separator.encode())
                with context.storage.open(uri) as source:
                    while chunk := source.read(CHUNK):
                        file.write(chunk)
        return {"uri": context.upload(target, f"concat{_extension(text(context, self.extension))}")}


class Split(RunnableTask):
    """By size, by number of files or by rows; rows stay whole. The separator is kept behind each row."""

    from_: str = Field(alias="from")
    bytes: Any = None
    partitions: Any = None
    rows: Any = None
    separator: str = "\n"

    @model_validator(mode="after")
    def _one_way(self) -> "Split":
        if self.bytes is None and self.partitions is None and self.rows is None:
            raise ValueError("one of `bytes`, `partitions` and `rows` is needed")
        return self

    def run(self, context: RunContext) -> dict[str, Json] | None:
        uri = required(context, self.from_, "from")
        separator = str(context.render(self.separator)).encode() or b"\n"
        suffix = _extension(_suffix(uri))
        uris = []
        with context.storage.open(uri) as source:
            for position, part in enumerate(self._parts(context, lines(source, separator))):
                if position == MAX_FILES:
                    raise TaskFailure(f"The file would be split into more than {MAX_FILES:,} files")
                uris.append(context.upload(part, f"split-{position}{suffix}"))
        return {"uris": uris}

    def _parts(self, context: RunContext, rows: Iterator[bytes]) -> Iterator[Any]:
        if self.bytes is not None:
            limit = max(1, byte_size(str(context.render(str(self.bytes))), "bytes"))
            return _by_size(context, rows, limit)
        if self.partitions is not None:
            return _round_robin(context, rows, _positive(number(context, self.partitions, "partitions"), "partitions"))
        return _by_rows(context, rows, _positive(number(context, self.rows, "rows"), "rows"))


def lines(source: BinaryIO, separator: bytes) -> Iterator[bytes]:
    """Rows with the separator behind them; the last one may have none."""
    rest = b""
    while chunk := source.read(CHUNK):
        pieces = (rest + chunk).split(separator)
        rest = pieces.pop()
        if len(rest) > LONGEST_LINE:
            raise TaskFailure(f"A row is longer than {LONGEST_LINE:,} bytes")
        for piece in pieces:
            yield piece + separator
    if rest:
        yield rest


def _by_size(context: RunContext, rows: Iterator[bytes], limit: int) -> Iterator[Any]:
    target = context.working_directory / "part"
    row = next(rows, None)
    while row is not None:
        with target.open("wb") as file:
            size = 0
            while row is not None and (size == 0 or size + len(row) <= limit):
                file.write(row)
                size += len(row)
                row = next(rows, None)
        yield target


def _by_rows(context: RunContext, rows: Iterator[bytes], count: int) -> Iterator[Any]:
    target = context.working_directory / "part"
    row = next(rows, None)
    while row is not None:
        with target.open("wb") as file:
            file.write(row)
            for following in islice(rows, count - 1):
                file.write(following)
        row = next(rows, None)
        yield target


def _round_robin(context: RunContext, rows: Iterator[bytes], count: int) -> Iterator[Any]:
    if count > 500:
        raise TaskFailure("The property `partitions` must not be larger than 500")
    targets = [context.working_directory / f"part{position}" for position in range(count)]
    files = [target.open("wb") for target in targets]
    try:
        for position, row in enumerate(rows):
            files[position % count].write(row)
    finally:
        for file in files:
            file.close()
    yield from (target for target in targets if target.stat().st_size)


def _positive(value: int | None, name: str) -> int:
    if value is None or value < 1:
        raise TaskFailure(f"The property `{name}` must be at least 1")
    return value


class Reverse(RunnableTask):
    from_: str = Field(alias="from")
    separator: str = "\n"
    charset: str = "UTF-8"

    def run(self, context: RunContext) -> dict[str, Json] | None:
        uri = required(context, self.from_, "from")
        try:
            separator = str(context.render(self.separator)).encode(str(context.render(self.charset))) or b"\n"
        except LookupError:
            raise TaskFailure(f"Unknown charset {self.charset[:40]!r}") from None
        target = context.working_directory / "reversed"
        with context.storage.open(uri) as source, target.open("wb") as file:
            for row in _backwards(source, separator):
                file.write(row + separator)
        return {"uri": context.upload(target, "reversed" + _extension(_suffix(uri)))}


def _backwards(source: BinaryIO, separator: bytes) -> Iterator[bytes]:
    """Rows from the end, a chunk in memory at a time; a separator at the very end closes the last row."""
    position = source.seek(0, 2)
    if position >= len(separator):
        source.seek(position - len(separator))
        if source.read(len(separator)) == separator:
            position -= len(separator)
    rest = b""
    if position == 0:
        return
    while position:
        step = min(CHUNK, position)
        position -= step
        source.seek(position)
        pieces = (source.read(step) + rest).split(separator)
        rest = pieces[0]
        if len(rest) > LONGEST_LINE:
            raise TaskFailure(f"A row is longer than {LONGEST_LINE:,} bytes")
        yield from reversed(pieces[1:])
    yield rest


class Size(RunnableTask):
    uri: str

    def run(self, context: RunContext) -> dict[str, Json] | None:
        return {"size": context.storage.facts(required(context, self.uri, "uri")).size}


class Delete(RunnableTask):
    uri: str
    error_on_missing: Any = False

    def run(self, context: RunContext) -> dict[str, Json] | None:
        uri = required(context, self.uri, "uri")
        deleted = context.storage.delete(uri)
        if not deleted and switch(context, self.error_on_missing, "errorOnMissing"):
            raise TaskFailure(f"Unable to find file '{uri}'")
        return {"uri": uri, "deleted": deleted}


class PurgeCurrentExecutionFiles(RunnableTask):
    def run(self, context: RunContext) -> dict[str, Json] | None:
        uris = context.platform.purge_files_of(context.namespace, context.flow_id, context.execution_id)
        return {"uris": uris}


def _suffix(uri: str) -> str | None:
    name = uri.rpartition("/")[2]
    return name.rpartition(".")[2] if "." in name else None


def _extension(suffix: str | None) -> str:
    if not suffix:
        return ""
    return suffix if suffix.startswith(".") else f".{suffix}"
