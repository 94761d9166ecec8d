"""The storage that this process's settings name."""

from functools import lru_cache
from importlib import import_module
from pathlib import Path
from typing import cast

from django.conf import settings

from executions.storage.base import Storage, StorageError
from executions.storage.local import LocalStorage


def current() -> Storage:
    """A bucket when CELESTA_STORAGE_URL names one, else the folder below CELESTA_HOME. Raises StorageError."""
    url = settings.CELESTA.storage_url
    return _at(settings.CELESTA.storage) if url is None else _in(url)


@lru_cache(maxsize=4)
def _at(root: Path) -> Storage:
    return LocalStorage(root)


@lru_cache(maxsize=4)
def _in(url: str) -> Storage:
    try:
        # Only who keeps files in a bucket needs the library.
        objects = import_module("executions.storage.objects")
    except ModuleNotFoundError as error:
        raise StorageError(f"CELESTA_STORAGE_URL needs the library obstore (pip install obstore): {error}") from None
    return cast(Storage, objects.ObjectStorage(url))
