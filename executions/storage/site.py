"""The storage that this process's settings name."""

from functools import lru_cache
from pathlib import Path

from django.conf import settings

from executions.storage.base import Storage
from executions.storage.local import LocalStorage


def current() -> Storage:
    return _at(settings.CELESTA.storage)


@lru_cache(maxsize=4)
def _at(root: Path) -> Storage:
    return LocalStorage(root)
