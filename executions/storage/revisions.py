"""Namespace files with their history: every write keeps what it replaces, up to a bound, as numbered files (`@1`, `@2`, …).

The current content stays where every reader looks for it; only older contents are below `/_revisions/{namespace}`.
Knows nothing of who may read or write.
"""

import re
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, BinaryIO

from executions.storage.base import REVISIONS, FileFacts, FileMissing, Storage, files_prefix, path_of, uri_of

MOST_KEPT = 50  # older contents of one file
MOST_BYTES = 256 << 20  # of all older contents of one file; a larger one is not kept
_PURGED = ".purged"  # names the newest of the purged when none is left, so that numbers never begin again
_NAME = re.compile(r"@([0-9]{1,9})(?:\.purged)?")


class NamespaceFiles:
    """`database` gives a connection for the lock that two writers of one file take in turn."""

    def __init__(
        self, storage: Storage, database: Callable[[], AbstractContextManager[Any]], most_bytes: int = MOST_BYTES
    ) -> None:
        self._storage, self._database, self._most_bytes = storage, database, most_bytes

    def put(self, namespace: str, path: str, source: "Path | bytes | BinaryIO") -> str:
        """Its address. Raises StorageError."""
        uri = address(namespace, path)
        if not self._storage.exists(uri):
            return self._storage.put(uri, source)
        with self._alone(uri):
            self._keep(namespace, path)
            return self._storage.put(uri, source)

    def revisions(self, namespace: str, path: str) -> list[int]:
        """Those that can be read, oldest first; the last is the current one. Raises FileMissing."""
        uri = address(namespace, path)
        if self._storage.facts(uri).is_folder:
            raise FileMissing(uri)
        return [*(number for number, _ in self._kept(namespace, path)), self._current(namespace, path)]

    def address_of(self, namespace: str, path: str, revision: int) -> str:
        """Raises FileMissing, for a revision that is purged too."""
        if revision not in self.revisions(namespace, path):
            raise FileMissing(f"{address(namespace, path)} (revision {revision})")
        if revision == self._current(namespace, path):
            return address(namespace, path)
        return _history(namespace, path, f"@{revision}")

    def move(self, namespace: str, source: str, target: str) -> None:
        """The history goes along; a file that is overwritten keeps its own, and what was in it. Raises FileMissing."""
        before, after = address(namespace, source), address(namespace, target)
        if before == after:
            self._storage.facts(before)
            return
        facts = self._storage.facts(before)
        with self._alone(after):
            if not facts.is_folder and self._storage.exists(after):
                self._keep(namespace, target)
                self._storage.move(before, after)
                self._storage.delete_below(_history(namespace, source))
                return
            self._storage.move(before, after)
            self._storage.delete_below(_history(namespace, target))
            if self._storage.exists(_history(namespace, source)):
                self._storage.move(_history(namespace, source), _history(namespace, target))

    def delete(self, namespace: str, path: str) -> bool:
        """A file or an empty folder, with its history; whether there was one."""
        found = self._storage.delete(address(namespace, path))
        self._storage.delete_below(_history(namespace, path))
        return found

    def delete_below(self, namespace: str, path: str) -> None:
        self._storage.delete_below(address(namespace, path))
        self._storage.delete_below(_history(namespace, path))

    # Purging.

    def namespaces(self) -> list[str]:
        """Those with older contents."""
        return [facts.name for facts in self._storage.entries(uri_of(REVISIONS)) if facts.is_folder]

    def with_history(self, namespace: str) -> list[str]:
        """Paths, without a leading slash, of files with older contents."""
        root = path_of(_history(namespace, ""))
        found = self._storage.entries(uri_of(root), recursive=True)
        names = [facts.path.removeprefix(f"{root}/") for facts in found if not facts.is_folder]
        return list(dict.fromkeys(name.rpartition("/")[0] for name in names))

    def purge(self, namespace: str, path: str, *, before: datetime | None = None, keep: int | None = None) -> int:
        """Older contents that were replaced before a moment, or all but so many (the current one counts)."""
        kept = self._kept(namespace, path)
        if keep is not None:
            kept = kept[: max(0, len(kept) + 1 - keep)]
        gone = [number for number, facts in kept if before is None or facts.modified < before]
        with self._alone(address(namespace, path)):
            self._drop(namespace, path, gone)
        return len(gone)

    # One file's history.

    def _keep(self, namespace: str, path: str) -> None:
        """Make room for a new content: the one that is there becomes a revision that is kept."""
        uri, number = address(namespace, path), self._current(namespace, path)
        if self._storage.facts(uri).is_folder:
            return
        if self._storage.facts(uri).size <= self._most_bytes:
            with self._storage.open(uri) as file:
                self._storage.put(_history(namespace, path, f"@{number}"), file)
        else:
            self._mark(namespace, path, number)
        kept = self._kept(namespace, path)
        total, gone = 0, []
        for count, (older, facts) in enumerate(reversed(kept), start=1):
            total += facts.size
            if count > MOST_KEPT or total > self._most_bytes:
                gone.append(older)
        self._drop(namespace, path, gone)

    def _current(self, namespace: str, path: str) -> int:
        return 1 + max((_number(facts.name) for facts in self._numbered(namespace, path)), default=0)

    def _kept(self, namespace: str, path: str) -> list[tuple[int, FileFacts]]:
        found = [facts for facts in self._numbered(namespace, path) if not facts.name.endswith(_PURGED)]
        return sorted(((_number(facts.name), facts) for facts in found), key=lambda each: each[0])

    def _numbered(self, namespace: str, path: str) -> list[FileFacts]:
        entries = self._storage.entries(_history(namespace, path))
        return [facts for facts in entries if not facts.is_folder and _number(facts.name)]

    def _drop(self, namespace: str, path: str, gone: list[int]) -> None:
        if gone and len(gone) == len(self._kept(namespace, path)):
            self._mark(namespace, path, max(gone))
        for number in gone:
            self._storage.delete(_history(namespace, path, f"@{number}"))

    def _mark(self, namespace: str, path: str, number: int) -> None:
        for facts in self._numbered(namespace, path):
            if facts.name.endswith(_PURGED):
                self._storage.delete(uri_of(facts.path))
        self._storage.put(_history(namespace, path, f"@{number}{_PURGED}"), b"")

    @contextmanager
    def _alone(self, uri: str) -> Iterator[None]:
        with self._database() as connection, connection.transaction():
            connection.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [f"file:{uri}"])
            yield


def address(namespace: str, path: str) -> str:
    return uri_of(path_of(f"{files_prefix(namespace)}/{path.lstrip('/')}"))


def _history(namespace: str, path: str, revision: str = "") -> str:
    return uri_of(path_of(f"{REVISIONS}/{namespace}/{path.strip('/')}/{revision}").rstrip("/"))


def _number(name: str) -> int:
    """Of `@3` and `@3.purged`; 0 for other names."""
    found = _NAME.fullmatch(name)
    return int(found[1]) if found else 0
