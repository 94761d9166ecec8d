"""How many older contents of namespace files are kept, and that none is lost between two writers."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest
from django.conf import settings

from executions.storage import revisions
from executions.storage.local import LocalStorage
from executions.storage.revisions import NamespaceFiles


@contextmanager
def database() -> Iterator[Any]:
    with psycopg.connect(settings.DATABASE_DIRECT_DSN, autocommit=True) as connection:
        yield connection


@pytest.fixture
def storage(tmp_path: Path, db: None) -> LocalStorage:
    return LocalStorage(tmp_path)


def content(storage: LocalStorage, files: NamespaceFiles, revision: int) -> bytes:
    with storage.open(files.address_of("team", "f", revision)) as file:
        return file.read()


def test_the_oldest_contents_go_first(storage: LocalStorage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(revisions, "MOST_KEPT", 2)
    files = NamespaceFiles(storage, database)
    for text in "abcde":
        files.put("team", "f", text.encode())
    assert files.revisions("team", "f") == [3, 4, 5]
    assert [content(storage, files, number) for number in (3, 4, 5)] == [b"c", b"d", b"e"]


def test_older_contents_take_a_bounded_space(storage: LocalStorage) -> None:
    files = NamespaceFiles(storage, database, most_bytes=10)
    for size in (6, 4, 7, 11, 1):
        files.put("team", "f", b"x" * size)
    assert files.revisions("team", "f") == [3, 5]  # 11 bytes are too many to be kept at all
    files.put("team", "f", b"last")
    assert files.revisions("team", "f") == [3, 5, 6]


def test_numbers_never_begin_again(storage: LocalStorage) -> None:
    files = NamespaceFiles(storage, database)
    for text in "abc":
        files.put("team", "f", text.encode())
    assert files.purge("team", "f", keep=1) == 2
    assert files.revisions("team", "f") == [3]
    files.put("team", "f", b"d")
    assert files.revisions("team", "f") == [3, 4]
    assert [content(storage, files, number) for number in (3, 4)] == [b"c", b"d"]


def test_what_many_write_at_once_is_all_kept(storage: LocalStorage) -> None:
    files = NamespaceFiles(storage, database)
    files.put("team", "f", b"start")
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda number: files.put("team", "f", str(number).encode()), range(20)))
    assert files.revisions("team", "f") == list(range(1, 22))
    written = {content(storage, files, number) for number in range(1, 22)}
    assert written == {b"start", *(str(number).encode() for number in range(20))}
