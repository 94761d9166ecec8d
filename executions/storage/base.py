"""The internal storage as everybody sees it: `kestra://` addresses, where files of what belong, errors. No I/O."""

import re
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import BinaryIO, Protocol
from urllib.parse import quote, unquote, urlsplit

from flows.definition.folders import NAMESPACE_FILE, slug
from flows.definition.folders import execution_prefix as execution_prefix
from flows.definition.folders import namespace_path as namespace_path
from flows.definition.folders import task_prefix as task_prefix

SCHEME = "kestra"
MAX_PATH = 2048
REVISIONS = "/_revisions"  # older contents of namespace files, by namespace; no namespace has this name
MAX_NAME = 255  # bytes, what usual file systems take
_NAMESPACE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


class StorageError(ValueError):
    """A refused address or file; the message is for the user."""


class FileMissing(StorageError):
    def __init__(self, uri: str) -> None:
        super().__init__(f"File not found: {uri}")


@dataclass(frozen=True, slots=True)
class FileFacts:
    """`path` starts with a slash; a folder has size 0."""

    path: str
    size: int
    modified: datetime
    is_folder: bool

    @property
    def name(self) -> str:
        return self.path.rstrip("/").rpartition("/")[2]


class Storage(Protocol):
    """Files by `kestra://` address. Writing is atomic: a reader sees the whole file or none."""

    def open(self, uri: str) -> AbstractContextManager[BinaryIO]:
        """Raises FileMissing."""
        ...

    def put(self, uri: str, source: "Path | bytes | BinaryIO") -> str:
        """Store a file, replacing what is there; the address. A Path is copied (or linked)."""
        ...

    def copy_to(self, uri: str, target: Path) -> None:
        """Into a local file. Raises FileMissing."""
        ...

    def facts(self, uri: str) -> FileFacts:
        """Raises FileMissing."""
        ...

    def exists(self, uri: str) -> bool: ...

    def entries(self, uri: str, *, recursive: bool = False) -> Iterator[FileFacts]:
        """What is in a folder, in order of names; nothing when it is not there."""
        ...

    def delete(self, uri: str) -> bool:
        """A file or an empty folder; whether there was one."""
        ...

    def delete_below(self, uri: str) -> list[str]:
        """A folder and all in it; the addresses of the deleted files."""
        ...

    def move(self, source: str, target: str) -> None:
        """Raises FileMissing."""
        ...

    def make_folder(self, uri: str) -> None: ...


def path_of(uri: str) -> str:
    """The checked path of an address, with its leading slash. Raises StorageError."""
    parts = urlsplit(uri) if "://" in uri[:32] else None
    if parts is not None and (parts.scheme != SCHEME or parts.netloc):
        raise StorageError(f"Not an address of the internal storage: {uri[:200]}")
    path = unquote(uri.partition("://")[2]) if parts is not None else uri
    if not path.startswith("/"):
        raise StorageError(f"Not an address of the internal storage: {uri[:200]}")
    if len(path) > MAX_PATH or _CONTROL.search(path) or "\\" in path:
        raise StorageError(f"Invalid path: {uri[:200]!r}")
    names = [name for name in path.split("/") if name]
    for name in names:
        if name in (".", ".."):
            raise StorageError(f"Accessing file with '.' or '..' path traversal is not allowed: {uri[:200]}")
        if len(name.encode("utf-8", "replace")) > MAX_NAME:
            raise StorageError(f"A name in the path is too long: {name[:50]}…")
    return "/" + "/".join(names) + ("/" if names and path.endswith("/") else "")


def uri_of(path: str) -> str:
    return f"{SCHEME}://{quote(path, safe='/:@!$&()*+,;=~._-')}"


def is_uri(text: object) -> bool:
    return isinstance(text, str) and text.startswith(SCHEME + ":///")


def place_of_namespace_file(uri: str, namespace: str) -> tuple[str, str] | None:
    """Whose file an `nsfile://` address means in a flow of `namespace`, and its name there; None for other addresses.

    `nsfile:///name` is a file of the own namespace, `nsfile://other.namespace/name` of another."""
    if not uri.startswith(NAMESPACE_FILE):
        return None
    owner, _, name = uri.removeprefix(NAMESPACE_FILE).partition("/")
    if owner and not _NAMESPACE.fullmatch(owner):
        raise StorageError(f"Not an address of a namespace file: {uri[:200]}")
    return owner or namespace, unquote(name)


def resolved(uri: str, namespace: str) -> str:
    """An address that a flow of `namespace` may have written as one of the internal storage. Raises StorageError."""
    place = place_of_namespace_file(uri, namespace)
    return uri if place is None else uri_of(path_of(f"{files_prefix(place[0])}/{place[1]}"))


def cache_prefix(namespace: str, flow_id: str, task_id: str) -> str:
    """What a task keeps from one execution of its flow to the next."""
    return f"{namespace_path(namespace)}/{slug(flow_id)}/{slug(task_id)}/cache"


def files_prefix(namespace: str) -> str:
    """Where a namespace's files are."""
    return f"{namespace_path(namespace)}/_files"


def state_prefix(namespace: str) -> str:
    return f"{namespace_path(namespace)}/_states"
