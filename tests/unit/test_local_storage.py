"""The internal storage in a folder: addresses checked, whole files or none, nothing outside of it."""

import io
import os
import threading
from pathlib import Path

import pytest

from executions.storage.base import (
    FileMissing,
    StorageError,
    execution_prefix,
    path_of,
    task_prefix,
    uri_of,
)
from executions.storage.local import LocalStorage
from flows.definition.folders import slug


@pytest.fixture
def storage(tmp_path: Path) -> LocalStorage:
    return LocalStorage(tmp_path / "storage", max_file=1000)


def content(storage: LocalStorage, uri: str) -> bytes:
    with storage.open(uri) as file:
        return file.read()


def files_below(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def test_addresses_are_kestras() -> None:
    assert slug("My Flow_ID") == "my-flow-id" and slug("aTaskId") == "a-task-id"
    assert execution_prefix("company.team", "myFlow", "E") == "/company/team/my-flow/executions/E"
    assert task_prefix("a", "f", "E", "the_task", "R") == "/a/f/executions/E/tasks/the-task/R"
    assert path_of(uri_of("/a/b c/ü%.txt")) == "/a/b c/ü%.txt"


@pytest.mark.parametrize(
    "uri",
    [
        "kestra:///a/../b",
        "kestra:///../../etc/passwd",
        "kestra:///a/%2e%2e/b",
        "kestra:///a/..%2f..%2fb",
        "kestra:///a/./b",
        "kestra:///a\x00b",
        "kestra:///a%00b",
        "kestra:///a\\..\\b",
        "kestra:///a%5C..%5Cb",
        "kestra://host/a",
        "file:///etc/passwd",
        "http://x/a",
        "a/b",
        "",
        "kestra:///" + "x" * 300,
        "kestra:///" + "x/" * 2000,
        "kestra:///a\nb",
        "kestra:///.drafts/x",
    ],
)
def test_an_address_that_leads_elsewhere_is_refused_for_everything(storage: LocalStorage, uri: str) -> None:
    for act in (
        lambda: storage.put(uri, b"x"),
        lambda: storage.open(uri),
        lambda: storage.exists(uri),
        lambda: storage.facts(uri),
        lambda: storage.delete(uri),
        lambda: storage.delete_below(uri),
        lambda: list(storage.entries(uri)),
        lambda: storage.make_folder(uri),
        lambda: storage.move(uri, "kestra:///b"),
    ):
        with pytest.raises(StorageError):
            act()


@pytest.mark.parametrize("uri", ["kestra:///....//x", "kestra:///%252e%252e/x", "kestra:///C:/x"])
def test_odd_names_stay_names(storage: LocalStorage, tmp_path: Path, uri: str) -> None:
    stored = storage.put(uri, b"x")
    assert content(storage, stored) == b"x"
    assert [name for name in files_below(tmp_path) if not name.startswith("storage/")] == []


def test_a_link_out_of_the_storage_is_not_followed(storage: LocalStorage, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret").write_text("secret")
    storage.put("kestra:///a/here", b"x")
    os.symlink(outside, tmp_path / "storage" / "a" / "link")
    os.symlink(outside / "secret", tmp_path / "storage" / "a" / "file")
    for uri in ("kestra:///a/link/secret", "kestra:///a/file"):
        with pytest.raises(StorageError):
            storage.open(uri)
        with pytest.raises(StorageError):
            storage.put(uri, b"overwritten")
    assert [facts.name for facts in storage.entries("kestra:///a", recursive=True)] == ["here"]
    assert storage.delete_below("kestra:///a") == ["kestra:///a/here"]
    assert (outside / "secret").read_text() == "secret"


def test_a_file_is_there_whole_or_not_at_all(storage: LocalStorage, tmp_path: Path) -> None:
    storage.put("kestra:///a/f", b"old")

    class Breaks(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            if self.tell() >= 10:
                raise OSError("the line broke")
            return super().read(10)

    with pytest.raises(OSError, match="the line broke"):
        storage.put("kestra:///a/f", Breaks(b"x" * 100))
    assert content(storage, "kestra:///a/f") == b"old"
    assert files_below(tmp_path) == ["storage/a/f"]


def test_a_reader_never_sees_half_of_what_is_written(storage: LocalStorage) -> None:
    storage.put("kestra:///f", b"a" * 900)
    seen: set[bytes] = set()
    stop = threading.Event()

    def read() -> None:
        while not stop.is_set():
            seen.add(content(storage, "kestra:///f"))

    reader = threading.Thread(target=read)
    reader.start()
    for number in range(200):
        storage.put("kestra:///f", (b"a" if number % 2 else b"b") * 900)
    stop.set()
    reader.join()
    assert seen <= {b"a" * 900, b"b" * 900}


@pytest.mark.parametrize("source", [b"x" * 1001, io.BytesIO(b"x" * 1001)])
def test_a_file_that_is_too_large_leaves_nothing(storage: LocalStorage, tmp_path: Path, source: object) -> None:
    with pytest.raises(StorageError, match="larger than the limit of 1,000 bytes"):
        storage.put("kestra:///a/f", source)  # type: ignore[arg-type]
    assert files_below(tmp_path) == []


def test_what_is_not_there_is_said_by_its_address(storage: LocalStorage, tmp_path: Path) -> None:
    for act in (storage.open, storage.facts, lambda uri: storage.copy_to(uri, tmp_path / "copy")):
        with pytest.raises(FileMissing, match="File not found: kestra:///none"):
            act("kestra:///none")
    assert storage.delete("kestra:///none") is False
    assert storage.delete_below("kestra:///none") == []
    assert list(storage.entries("kestra:///none")) == []


def test_files_and_folders_do_not_take_each_others_place(storage: LocalStorage) -> None:
    storage.put("kestra:///a", b"x")
    with pytest.raises(StorageError, match="in the way"):
        storage.put("kestra:///a/b", b"x")
    storage.put("kestra:///c/d", b"x")
    with pytest.raises(StorageError, match="in the way"):
        storage.put("kestra:///c", b"x")
    with pytest.raises(StorageError, match="itself"):
        storage.move("kestra:///c", "kestra:///c/e")


def test_the_whole_storage_is_never_deleted(storage: LocalStorage) -> None:
    storage.put("kestra:///a", b"x")
    with pytest.raises(StorageError, match="whole storage"):
        storage.delete_below("kestra:///")
    assert storage.exists("kestra:///a")


@pytest.mark.parametrize(
    "address",
    ["kestra:///a/../b", "kestra:///../etc/passwd", "/a/./b", "kestra:///a/%2e%2e/b", "kestra:///a/..", "/.."],
)
def test_an_address_with_a_step_up_is_refused_before_any_storage_sees_it(address: str) -> None:
    with pytest.raises(StorageError, match="path traversal is not allowed"):
        path_of(address)


@pytest.mark.parametrize(
    "address", ["file:///etc/passwd", "kestra://host/a", "a/b", "kestra:///a\\..\\b", "/a\x00b", "/" + "x" * 3000]
)
def test_what_is_no_address_is_refused(address: str) -> None:
    with pytest.raises(StorageError):
        path_of(address)
