"""The internal storage in S3, Google Cloud Storage or Azure (CELESTA_STORAGE_URL), by the optional library obstore.

Object stores know no folders: a folder is what has files below it, or an empty one's marker.
"""

import io
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO, cast

import obstore
from obstore.store import from_url

from executions.storage.base import FileFacts, FileMissing, StorageError, path_of, uri_of
from executions.storage.local import CHUNK, MAX_FILE, fill

_MARKER = ".folder"
_IN_MEMORY = 8 << 20  # larger uploads wait in a file


class ObjectStorage:
    """Implements `executions.storage.base.Storage`. Objects appear whole, by the nature of these stores."""

    def __init__(self, url: str, max_file: int = MAX_FILE) -> None:
        """`s3://bucket/prefix`, `gs://…`, `az://…`; credentials as these clouds' own tools read them."""
        try:
            self._store: Any = from_url(url)
        except (ValueError, OSError, obstore.exceptions.BaseError) as error:
            raise StorageError(f"CELESTA_STORAGE_URL cannot be used: {_first_line(error)}") from None
        self._max_file = max_file

    def open(self, uri: str) -> BinaryIO:
        key = _key(uri)
        self._head(key, uri)
        return cast(BinaryIO, io.BufferedReader(_Reader(obstore.open_reader(self._store, key)), CHUNK))

    def put(self, uri: str, source: "Path | bytes | BinaryIO") -> str:
        key = _key(uri)
        if not key or uri.endswith("/"):
            raise StorageError(f"Not the address of a file: {uri}")
        with tempfile.SpooledTemporaryFile(_IN_MEMORY) as draft:
            fill(cast(BinaryIO, draft), source, self._max_file)
            draft.seek(0)
            obstore.put(self._store, key, cast(Any, draft))
        return uri_of(path_of(uri))

    def copy_to(self, uri: str, target: Path) -> None:
        target.parent.mkdir(parents=True, exist_ok=True)
        with self.open(uri) as source, target.open("wb") as file:
            while chunk := source.read(CHUNK):
                file.write(chunk)

    def facts(self, uri: str) -> FileFacts:
        key = _key(uri)
        try:
            return _facts(self._head(key, uri))
        except FileMissing:
            newest = max((each["last_modified"] for each in self._below(key)), default=None)
            if newest is None:
                raise
            return FileFacts(f"/{key}", 0, newest, is_folder=True)

    def exists(self, uri: str) -> bool:
        try:
            self.facts(uri)
        except FileMissing:
            return False
        return True

    def entries(self, uri: str, *, recursive: bool = False) -> Iterator[FileFacts]:
        key = _key(uri)
        found = {f"/{each['path']}": _facts(each) for each in self._below(key)}
        start = f"/{key}/" if key else "/"
        shown: dict[str, FileFacts] = {}
        for path, facts in found.items():
            parts = path.removeprefix(start).split("/")
            for depth in range(1, len(parts) if recursive else min(2, len(parts))):
                folder = start + "/".join(parts[:depth])
                shown.setdefault(folder, FileFacts(folder, 0, facts.modified, is_folder=True))
            if parts[-1] != _MARKER and (recursive or len(parts) == 1):
                shown[path] = facts
        for path in sorted(shown, key=lambda path: path.split("/")):
            yield shown[path]

    def delete(self, uri: str) -> bool:
        key = _key(uri)
        below = [each["path"] for each in self._below(key)]
        if below and below != [f"{key}/{_MARKER}"]:
            raise StorageError(f"Cannot delete {uri}: Directory not empty")
        if below:
            obstore.delete(self._store, below)
            return True
        try:
            self._head(key, uri)
        except FileMissing:
            return False
        obstore.delete(self._store, key)
        return True

    def delete_below(self, uri: str) -> list[str]:
        key = _key(uri)
        if not key:
            raise StorageError("Refused: this would delete the whole storage")
        keys = [each["path"] for each in self._below(key)]
        with suppress(FileMissing):
            keys.append(self._head(key, uri)["path"])
        if keys:
            obstore.delete(self._store, keys)
        return [uri_of(f"/{each}") for each in keys if not each.endswith(f"/{_MARKER}")]

    def move(self, source: str, target: str) -> None:
        before, after = _key(source), _key(target)
        if after.startswith(before + "/"):
            raise StorageError(f"Cannot move {source} into itself")
        keys = [each["path"] for each in self._below(before)]
        if not keys:
            self._head(before, source)
            keys = [before]
        for each in keys:
            obstore.rename(self._store, each, after + each.removeprefix(before), overwrite=True)

    def make_folder(self, uri: str) -> None:
        obstore.put(self._store, f"{_key(uri)}/{_MARKER}".lstrip("/"), b"")

    def _head(self, key: str, uri: str) -> Any:
        if not key:
            raise FileMissing(uri)
        try:
            return obstore.head(self._store, key)
        except FileNotFoundError:
            raise FileMissing(uri) from None

    def _below(self, key: str) -> Iterator[Any]:
        for batch in obstore.list(self._store, key or None):
            yield from (each for each in batch if each["path"] != key)


class _Reader(io.RawIOBase):
    def __init__(self, reader: Any) -> None:
        self._reader = reader

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        part = bytes(self._reader.read(len(buffer)))
        buffer[: len(part)] = part
        return len(part)

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        return int(self._reader.seek(offset, whence))

    def tell(self) -> int:
        return int(self._reader.tell())


def _key(uri: str) -> str:
    return path_of(uri).strip("/")


def _facts(found: Any) -> FileFacts:
    return FileFacts(f"/{found['path']}", found["size"], found["last_modified"], is_folder=False)


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
