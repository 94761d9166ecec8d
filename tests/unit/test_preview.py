"""The beginning of a stored file: never more of it than is shown, whatever it holds."""

import zlib
from io import BytesIO
from typing import Any

import pytest

from executions.api.preview import preview
from flows.api.errors import Unprocessable


class Counted(BytesIO):
    read_bytes = 0

    def read(self, size: int | None = -1, /) -> bytes:
        found = super().read(size)
        self.read_bytes += len(found)
        return found


def test_a_file_of_one_long_line_is_not_read_to_its_end() -> None:
    file = Counted(b"x" * (32 << 20))
    found = preview(file, "/a/b.txt", None, "utf-8")
    assert found["truncated"] and len(found["content"]) <= 5 << 20
    assert file.read_bytes <= 6 << 20


@pytest.mark.parametrize("encoding", ["zlib_codec", "bz2", "hex", "base64", "rot13", "nonsense", "undefined", "a\0b"])
def test_only_encodings_of_texts_are_taken(encoding: str) -> None:
    with pytest.raises(Unprocessable):
        preview(BytesIO(zlib.compress(b"x" * 100)), "/a/b.txt", None, encoding)


def test_rows_are_counted_and_a_character_that_is_cut_in_two_is_left_out() -> None:
    assert preview(BytesIO(b"1\n2\n3\n"), "b.txt", 2, "utf-8") | {"content": "1\n2\n", "truncated": True} == preview(
        BytesIO(b"1\n2\n3\n"), "b.txt", 2, "utf-8"
    )
    whole = preview(BytesIO("ä\nö\n".encode("latin-1")), "b.txt", 2, "latin-1")
    assert whole["content"] == "ä\nö\n" and not whole["truncated"]
    rows: Any = preview(BytesIO(b'{"a":1}\nno json\n'), "b.jsonl", None, "utf-8")
    assert rows["content"] == [{"a": 1}, "no json"]
    cut = preview(BytesIO("ä".encode() * (3 << 20)), "b.txt", None, "utf-8")
    assert cut["truncated"] and set(cut["content"]) == {"ä"}
