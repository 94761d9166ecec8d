"""The internal storage over obstore, on its store in memory and its store in a folder: the same promises as the local one."""

import io
from pathlib import Path

import pytest

from executions.storage.base import FileMissing, Storage, StorageError
from executions.storage.local import LocalStorage

KINDS = ["memory", "folder", "local"]


@pytest.fixture(params=KINDS)
def storage(request: pytest.FixtureRequest, tmp_path: Path) -> Storage:
    if request.param == "local":
        return LocalStorage(tmp_path / "storage", max_file=1000)
    objects = pytest.importorskip("executions.storage.objects")
    folder = tmp_path / "bucket"
    folder.mkdir()
    url = "memory:///" if request.param == "memory" else folder.as_uri()
    found: Storage = objects.ObjectStorage(url, max_file=1000)
    return found


def content(storage: Storage, uri: str) -> bytes:
    with storage.open(uri) as file:
        return file.read()


def test_a_file_is_stored_replaced_read_and_deleted(storage: Storage, tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.write_bytes(b"from a path")
    assert storage.put("kestra:///a/b c/ü.txt", b"bytes") == "kestra:///a/b%20c/%C3%BC.txt"
    assert content(storage, "kestra:///a/b%20c/%C3%BC.txt") == b"bytes"
    storage.put("kestra:///a/f", source)
    storage.put("kestra:///a/f", io.BytesIO(b"line one\nline two"))
    with storage.open("kestra:///a/f") as file:
        assert file.readline() == b"line one\n"
        assert (file.seek(-3, 2), file.read()) == (14, b"two")
    facts = storage.facts("kestra:///a/f")
    assert (facts.path, facts.size, facts.name, facts.is_folder) == ("/a/f", 17, "f", False)
    storage.copy_to("kestra:///a/f", tmp_path / "to" / "copy")
    assert (tmp_path / "to" / "copy").read_bytes() == b"line one\nline two"
    assert storage.delete("kestra:///a/f") is True
    assert storage.delete("kestra:///a/f") is False
    assert not storage.exists("kestra:///a/f")


def test_folders_are_listed_moved_and_deleted(storage: Storage) -> None:
    for name in ("x/1", "x/2", "x/sub/3", "xy"):
        storage.put(f"kestra:///a/{name}", b"x")
    storage.make_folder("kestra:///a/empty")
    assert [(facts.name, facts.is_folder) for facts in storage.entries("kestra:///a")] == [
        ("empty", True),
        ("x", True),
        ("xy", False),
    ]
    assert [facts.path for facts in storage.entries("kestra:///a/x", recursive=True)] == [
        "/a/x/1",
        "/a/x/2",
        "/a/x/sub",
        "/a/x/sub/3",
    ]
    assert storage.facts("kestra:///a/x").is_folder and storage.exists("kestra:///a/empty")
    with pytest.raises(StorageError, match="not empty"):
        storage.delete("kestra:///a/x")
    storage.move("kestra:///a/x", "kestra:///b/moved")
    assert content(storage, "kestra:///b/moved/sub/3") == b"x"
    assert not storage.exists("kestra:///a/x/1") and storage.exists("kestra:///a/xy")
    with pytest.raises(StorageError, match="itself"):
        storage.move("kestra:///b", "kestra:///b/c")
    assert sorted(storage.delete_below("kestra:///b")) == [
        "kestra:///b/moved/1",
        "kestra:///b/moved/2",
        "kestra:///b/moved/sub/3",
    ]
    assert storage.delete("kestra:///a/empty") is True


def test_what_is_wrong_is_refused(storage: Storage) -> None:
    for act in (storage.open, storage.facts):
        with pytest.raises(FileMissing, match="File not found: kestra:///none"):
            act("kestra:///none")
    with pytest.raises(FileMissing):
        storage.move("kestra:///none", "kestra:///b")
    for uri in ("kestra:///a/../b", "file:///etc/passwd", "kestra:///a%00b"):
        with pytest.raises(StorageError):
            storage.put(uri, b"x")
    with pytest.raises(StorageError, match="larger than the limit of 1,000 bytes"):
        storage.put("kestra:///large", io.BytesIO(b"x" * 1001))
    assert not storage.exists("kestra:///large")
    with pytest.raises(StorageError, match="whole storage"):
        storage.delete_below("kestra:///")
    assert list(storage.entries("kestra:///none")) == [] and storage.delete_below("kestra:///none") == []


def test_an_address_of_no_bucket_is_refused() -> None:
    objects = pytest.importorskip("executions.storage.objects")
    with pytest.raises(StorageError, match="CELESTA_STORAGE_URL cannot be used"):
        objects.ObjectStorage("nonsense://x")
