"""The internal storage in a local folder. Knows nothing of executions; every path is checked before it is touched."""

import io
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO, cast

from executions.storage.base import FileFacts, FileMissing, StorageError, path_of, uri_of

CHUNK = 1 << 20
MAX_FILE = 5 << 30  # bytes


class LocalStorage:
    """Implements `executions.storage.base.Storage`."""

    def __init__(self, root: Path, max_file: int = MAX_FILE) -> None:
        self._root = root
        self._drafts = root / ".drafts"
        self._max_file = max_file

    def open(self, uri: str) -> BinaryIO:
        path = self._resolve(uri)
        if path.is_dir():
            raise FileMissing(uri)
        try:
            handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
        except (FileNotFoundError, NotADirectoryError):
            raise FileMissing(uri) from None
        except OSError as error:
            raise StorageError(f"Cannot read {uri}: {error.strerror}") from None
        return cast(BinaryIO, os.fdopen(handle, "rb"))

    def put(self, uri: str, source: Path | bytes | BinaryIO) -> str:
        path = self._resolve(uri)
        if path == self._root or uri.endswith("/"):
            raise StorageError(f"Not the address of a file: {uri}")
        self._drafts.mkdir(mode=0o700, parents=True, exist_ok=True)
        handle, draft = tempfile.mkstemp(dir=self._drafts)
        try:
            with os.fdopen(handle, "wb") as file:
                fill(file, source, self._max_file)
            self._make_parents(path)
            os.replace(draft, path)
        except BaseException:
            with suppress(OSError):
                os.unlink(draft)
            raise
        return uri_of(path_of(uri))

    def _make_parents(self, path: Path) -> None:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except (FileExistsError, NotADirectoryError):
            raise StorageError(f"A file is in the way of {self._uri(path)}") from None
        if path.is_dir():
            raise StorageError(f"A folder is in the way of {self._uri(path)}")

    def copy_to(self, uri: str, target: Path) -> None:
        target.parent.mkdir(parents=True, exist_ok=True)
        with self.open(uri) as source, target.open("wb") as file:
            shutil.copyfileobj(source, file, CHUNK)

    def facts(self, uri: str) -> FileFacts:
        path = self._resolve(uri)
        try:
            return self._facts(path)
        except (FileNotFoundError, NotADirectoryError):
            raise FileMissing(uri) from None

    def _facts(self, path: Path) -> FileFacts:
        found = path.lstat()
        folder = path.is_dir()
        return FileFacts(
            path="/" + path.relative_to(self._root).as_posix(),
            size=0 if folder else found.st_size,
            modified=datetime.fromtimestamp(found.st_mtime, UTC),
            is_folder=folder,
        )

    def exists(self, uri: str) -> bool:
        return self._resolve(uri).exists()

    def entries(self, uri: str, *, recursive: bool = False) -> Iterator[FileFacts]:
        folder = self._resolve(uri)
        if not folder.is_dir():
            return
        for path in sorted(folder.iterdir()):
            if path == self._drafts or path.is_symlink():
                continue
            yield self._facts(path)
            if recursive and path.is_dir():
                yield from self.entries(self._uri(path), recursive=True)

    def delete(self, uri: str) -> bool:
        path = self._resolve(uri)
        try:
            if path.is_dir():
                path.rmdir()
            else:
                path.unlink()
        except (FileNotFoundError, NotADirectoryError):
            return False
        except OSError as error:
            raise StorageError(f"Cannot delete {uri}: {error.strerror}") from None
        return True

    def delete_below(self, uri: str) -> list[str]:
        path = self._resolve(uri)
        if path == self._root:
            raise StorageError("Refused: this would delete the whole storage")
        files = [uri_of(facts.path) for facts in self.entries(uri, recursive=True) if not facts.is_folder]
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        elif self.delete(uri):
            files.append(uri_of(path_of(uri)))
        return files

    def move(self, source: str, target: str) -> None:
        before, after = self._resolve(source), self._resolve(target)
        if not before.exists():
            raise FileMissing(source)
        if after.is_relative_to(before) and after != before:
            raise StorageError(f"Cannot move {source} into itself")
        self._make_parents(after)
        if before.is_dir() and after.exists():
            raise StorageError(f"A file is in the way of {target}")
        os.replace(before, after)

    def make_folder(self, uri: str) -> None:
        path = self._resolve(uri)
        try:
            path.mkdir(parents=True, exist_ok=True)
        except (FileExistsError, NotADirectoryError):
            raise StorageError(f"A file is in the way of {uri}") from None

    def _uri(self, path: Path) -> str:
        return uri_of("/" + path.relative_to(self._root).as_posix())

    def _resolve(self, uri: str) -> Path:
        """The local path; refuses what leaves the folder, by dots or by a symbolic link on the way."""
        names = [name for name in path_of(uri).split("/") if name]
        if names and names[0] == self._drafts.name:
            raise StorageError(f"Invalid path: {uri}")
        path = self._root.joinpath(*names)
        if os.path.realpath(path) != os.path.join(os.path.realpath(self._root), *names):
            raise StorageError(f"Accessing files outside of the storage is not allowed: {uri}")
        return path


def fill(file: BinaryIO, source: Path | bytes | BinaryIO, most: int) -> None:
    """Copy at most so many bytes. Raises StorageError for more."""
    if isinstance(source, Path):
        with source.open("rb") as opened:
            fill(file, opened, most)
        return
    if isinstance(source, bytes):
        source = io.BytesIO(source)
    written = 0
    while chunk := source.read(CHUNK):
        written += len(chunk)
        if written > most:
            raise StorageError(f"The file is larger than the limit of {most:,} bytes")
        file.write(chunk)
