"""What cannot be restored is told in one line, and nothing is changed."""

import tarfile
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.mark.parametrize("content", [b"", b"not a tar file\nat all\n" * 100, b"\x1f\x8b\x08\x00broken", b"\0" * 10_240])
def test_a_file_that_is_no_backup_is_refused_in_one_line(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "backup.tar"
    file.write_bytes(content)
    with pytest.raises(CommandError) as refused:
        call_command("restore", str(file), "--yes")
    text = str(refused.value)
    assert "\n" not in text and text.startswith(("cannot read ", f"{file} is no backup: "))


def test_a_missing_file_and_a_tar_of_something_else_are_refused_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match=r"^cannot read .*nothing.tar: No such file or directory$"):
        call_command("restore", str(tmp_path / "nothing.tar"), "--yes")
    other = tmp_path / "other.tar"
    with tarfile.open(other, "w") as archive:
        archive.add(__file__, "readme.txt")
    with pytest.raises(CommandError, match=r"other.tar is no backup: it holds no database.dump"):
        call_command("restore", str(other), "--yes")
