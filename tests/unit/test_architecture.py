"""docs/architecture.md names functions: all of them exist where it says."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
TEXT = (ROOT / "docs" / "architecture.md").read_text()
NAMED = sorted(set(re.findall(r"`([\w/]+\.(?:py|sql)):\s+([\w.]+)`", TEXT)))
MENTIONED = sorted(set(re.findall(r"`([\w/]+\.(?:py|sql|yaml))", TEXT)))
ROOMS = ("", "executor/", "executor/worker/", "executions/", "executions/transitions/")


def place(path: str) -> Path:
    found = [ROOT / room / path for room in ROOMS if (ROOT / room / path).is_file()]
    assert found, f"{path} does not exist"
    return found[0]


def test_it_names_enough_to_be_worth_reading() -> None:
    assert len(NAMED) > 20


@pytest.mark.parametrize(("path", "name"), NAMED)
def test_each_named_function_is_where_it_says(path: str, name: str) -> None:
    source = place(path).read_text()
    for part in name.split("."):
        assert re.search(rf"(?m)^\s*(?:(?:async )?def|class) {part}\b|^{part} =|^-- name: {part}\b", source), part


@pytest.mark.parametrize("path", MENTIONED)
def test_each_mentioned_file_exists(path: str) -> None:
    place(path)
