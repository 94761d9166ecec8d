"""The worker's parts of ForEachItem: a file into files of some rows, and the outputs of executions into one file."""

import re
from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath
from typing import Any, BinaryIO

from flows.definition.folders import is_address
from flows.expressions.ion import to_ion
from flows.tasks.base import Json, RunContext, RunnableTask, TaskFailure

BASE_URI = "subflowOutputsBaseUri"
_CHUNK = 1 << 16
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([KMGT]?)I?B?", re.IGNORECASE)
_UNITS = {"": 0, "K": 10, "M": 20, "G": 30, "T": 40}


class SplitItems(RunnableTask):
    """Output: `splits`, a file with the address of one batch per line."""

    items: str
    rows: Any = None
    size: Any = None
    partitions: Any = None
    separator: str = "\n"

    def run(self, context: RunContext) -> dict[str, Json] | None:
        uri = context.render(self.items).strip()
        if not is_address(uri):
            raise TaskFailure(f"The items must be the address of a file in the internal storage, not `{uri[:200]}`")
        source = context.download(uri, context.working_directory / "items")
        suffix = PurePosixPath(uri).suffix or ".txt"
        uris = []
        with source.open("rb") as file:
            for number, batch in enumerate(self._batches(context, file)):
                uris.append(context.upload(batch, f"batch-{number + 1:06d}{suffix}"))
        return {"splits": context.upload("".join(f"{one}\n" for one in uris).encode(), "splits.txt")}

    def _batches(self, context: RunContext, file: BinaryIO) -> Iterator[bytes]:
        separator = context.render(self.separator).encode()
        rows = records(file, separator)
        if self.partitions is not None:
            yield from dealt(rows, _number(context, self.partitions, "partitions"))
        elif self.size is not None:
            yield from by_size(rows, size_of(str(context.render(str(self.size)))))
        else:
            yield from by_rows(rows, 1 if self.rows is None else _number(context, self.rows, "rows"))


class MergeOutputs(RunnableTask):
    """Output: `subflowOutputs`, a file with the outputs of each execution, in the order of the batches.

    Each has a file of its own too, below the address that the task that started them has told."""

    items_task: str

    def run(self, context: RunContext) -> dict[str, Json] | None:
        path = context.working_directory / "outputs.ion"
        of_task, of_children = context.outputs_of_children(self.items_task)
        with path.open("w") as file:
            for iteration, outputs in of_children:
                line = to_ion(outputs) + "\n"
                file.write(line)
                context.storage.put(f"{of_task[BASE_URI]}/{iteration}/outputs.ion", line.encode())
        if not path.stat().st_size:
            return None
        return {"subflowOutputs": context.upload(path, "outputs.ion")}


class StoreItems(RunnableTask):
    """Output: `uri`, a file with one item per line."""

    items: str
    around: str = "{{ parents }}"

    def run(self, context: RunContext) -> dict[str, Json] | None:
        items = context.render_typed(self.items)
        for parent in reversed(context.render_typed(self.around) or []):
            # Outputs inside loops are addressed by the values of the loops, the outermost first.
            value = parent.get("taskrun", {}).get("value")
            items = items[value] if value is not None else items
        values = items.values() if isinstance(items, Mapping) else items
        lines = "".join(f"{to_ion(value)}\n" for value in values)
        return {"uri": context.upload(lines.encode(), "outputs.ion")}


def records(file: BinaryIO, separator: bytes) -> Iterator[bytes]:
    """The rows of a file, each with its separator at the end; the last one gets it if it has none."""
    rest = b""
    while chunk := file.read(_CHUNK):
        *complete, rest = (rest + chunk).split(separator)
        for row in complete:
            yield row + separator
    if rest:
        yield rest + separator


def by_rows(rows: Iterator[bytes], count: int) -> Iterator[bytes]:
    batch: list[bytes] = []
    for row in rows:
        batch.append(row)
        if len(batch) == count:
            yield b"".join(batch)
            batch = []
    if batch:
        yield b"".join(batch)


def by_size(rows: Iterator[bytes], limit: int) -> Iterator[bytes]:
    """As many whole rows as fit; a row that is larger by itself is a batch of its own."""
    batch, size = list[bytes](), 0
    for row in rows:
        if batch and size + len(row) > limit:
            yield b"".join(batch)
            batch, size = [], 0
        batch.append(row)
        size += len(row)
    if batch:
        yield b"".join(batch)


def dealt(rows: Iterator[bytes], count: int) -> Iterator[bytes]:
    """Like cards to players, one after the other; nobody is left with an empty hand."""
    hands: list[bytearray] = [bytearray() for _ in range(count)]
    for number, row in enumerate(rows):
        hands[number % count] += row
    yield from (bytes(hand) for hand in hands if hand)


def size_of(text: str) -> int:
    """Bytes of "10KB", "1 MiB", "512"."""
    match = _SIZE.fullmatch(text.strip())
    if match is None:
        raise TaskFailure(f"Not a size: `{text[:100]}`")
    return max(1, int(float(match[1]) * (1 << _UNITS[match[2].upper()])))


def _number(context: RunContext, value: Any, name: str) -> int:
    text = str(context.render(str(value)))
    if not text.strip().isdigit() or int(text) < 1:
        raise TaskFailure(f"`{name}` must be a number above zero, not `{text[:100]}`")
    return int(text)
