"""A plant per test: real executors and workers that may be killed."""

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.plant import Plant, django_on


@pytest.fixture
def plant(fresh_database: str, tmp_path: Path, django_db_blocker: Any) -> Iterator[Plant]:
    with django_db_blocker.unblock(), django_on(fresh_database):
        opened = Plant(fresh_database, tmp_path)
        yield opened
        opened.end()


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """Which scripts, that run under another account, can reach too."""
    with tempfile.TemporaryDirectory(prefix="celesta-open-") as name:
        folder = Path(name)
        folder.chmod(0o777)
        yield folder
