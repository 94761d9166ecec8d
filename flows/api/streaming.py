"""Answers sent while they are made: under ASGI Django would first gather a synchronous iterator whole."""

import re
import zipfile
from collections.abc import AsyncIterator, Iterable, Iterator
from typing import Any

from asgiref.sync import sync_to_async
from django.http import FileResponse, StreamingHttpResponse

CHUNK = 1 << 16


class _Streamed:
    """Each part is made in the request's own thread, on its own database connection, when the one before was taken."""

    streaming_content: Iterable[bytes]

    async def __aiter__(self) -> AsyncIterator[bytes]:
        parts = iter(self.streaming_content)
        following = sync_to_async(lambda: next(parts, None))
        while (part := await following()) is not None:
            yield part


class StreamedAnswer(_Streamed, StreamingHttpResponse):  # type: ignore[misc]
    pass


class StreamedFile(_Streamed, FileResponse):  # type: ignore[misc]
    block_size = CHUNK


def zip_answer(name: str, files: Iterable[tuple[str, Iterable[bytes]]]) -> StreamedAnswer:
    """A zip of files that are read one after the other, each a name and its parts."""
    answer = StreamedAnswer(_zipped(files), content_type="application/octet-stream")
    safe = re.sub(r"[^A-Za-z0-9._-]", "_", name)
    answer["Content-Disposition"] = f'attachment; filename="{safe}"'
    return answer


class _Sink:
    """What ZipFile writes into; it cannot be rewound, so sizes follow each file's content."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self.size = 0

    def write(self, data: bytes) -> int:
        self._parts.append(bytes(data))
        self.size += len(data)
        return len(data)

    def flush(self) -> None:
        return None

    def take(self) -> bytes:
        found, self._parts, self.size = b"".join(self._parts), [], 0
        return found


def _zipped(files: Iterable[tuple[str, Iterable[bytes]]]) -> Iterator[bytes]:
    sink: Any = _Sink()
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, parts in files:
            with archive.open(name, "w") as target:
                for part in parts:
                    target.write(part)
                    if sink.size >= CHUNK:
                        yield sink.take()
            if sink.size >= CHUNK:
                yield sink.take()
    yield sink.take()
