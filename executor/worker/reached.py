"""The internal storage as the tasks of one namespace may use it: files of other namespaces only where reach.py allows it."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, BinaryIO

from executions import reach
from executions.storage.base import FileFacts, Storage, StorageError, namespace_path, path_of, resolved
from flows.access import Role


class ReachedStorage:
    """Implements Storage, and takes `nsfile://` addresses.

    `readable`: folders of other executions that may be read whoever they belong to."""

    def __init__(
        self,
        storage: Storage,
        database: Callable[[], AbstractContextManager[Any]],
        namespace: str,
        readable: Sequence[str] = (),
    ) -> None:
        self._storage, self._database, self._namespace = storage, database, namespace
        self._own = namespace_path(namespace) + "/"
        self._readable = tuple(folder + "/" for folder in readable)

    def open(self, uri: str) -> AbstractContextManager[BinaryIO]:
        return self._storage.open(self._read(uri))

    def copy_to(self, uri: str, target: Path) -> None:
        self._storage.copy_to(self._read(uri), target)

    def facts(self, uri: str) -> FileFacts:
        return self._storage.facts(self._read(uri))

    def exists(self, uri: str) -> bool:
        return self._storage.exists(self._read(uri))

    def entries(self, uri: str, *, recursive: bool = False) -> Iterator[FileFacts]:
        return self._storage.entries(self._read(uri), recursive=recursive)

    def put(self, uri: str, source: Path | bytes | BinaryIO) -> str:
        return self._storage.put(self._written(uri), source)

    def delete(self, uri: str) -> bool:
        return self._storage.delete(self._written(uri))

    def delete_below(self, uri: str) -> list[str]:
        return self._storage.delete_below(self._written(uri))

    def move(self, source: str, target: str) -> None:
        self._storage.move(self._written(source), self._written(target))

    def make_folder(self, uri: str) -> None:
        self._storage.make_folder(self._written(uri))

    def _read(self, uri: str) -> str:
        uri = resolved(uri, self._namespace)
        path = path_of(uri)
        if not path.startswith(self._own) and not path.startswith(self._readable):
            self._check(path, Role.VIEWER, "read files of")
        return uri

    def _written(self, uri: str) -> str:
        uri = resolved(uri, self._namespace)
        path = path_of(uri)
        if not path.startswith(self._own):
            self._check(path, Role.AUTHOR, "write files of")
        return uri

    def _check(self, path: str, role: Role, deed: str) -> None:
        with self._database() as connection:
            try:
                reach.check(connection, self._namespace, reach.namespace_of(path), role, deed)
            except reach.OutOfReach as error:
                raise StorageError(str(error)) from None
