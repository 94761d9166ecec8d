"""What expressions ask of the outside, answered from this site: clock, chance, secrets, key-values, files."""

import random
from datetime import UTC, datetime
from typing import Any

from django.conf import settings

from executions.storage import kv
from executions.storage.base import (
    FileMissing,
    StorageError,
    execution_prefix,
    files_prefix,
    is_uri,
    path_of,
    uri_of,
)
from executions.storage.site import current as current_storage
from flows.expressions.errors import ExpressionError
from flows.expressions.frame import Random

Json = Any
_RANDOM = random.SystemRandom()
_MAX_READ = 10 << 20


class SiteServices:
    """Implements flows.expressions Services for one execution (or one about to be), on a psycopg connection."""

    def __init__(self, connection: Any, namespace: str, flow_id: str, execution_ids: tuple[str, ...] = ()) -> None:
        self._connection, self._namespace, self._flow_id = connection, namespace, flow_id
        self._execution_ids = execution_ids  # whose files may be read: its own and its starter's

    def now(self) -> datetime:
        return datetime.now(UTC)

    def timezone(self) -> str:
        return str(settings.TIME_ZONE)

    def random(self) -> Random:
        return _RANDOM

    def call(self, name: str, arguments: dict[str, object]) -> object:
        answer = getattr(self, f"_{name}", None)
        if answer is None:
            raise ExpressionError(f"The function '{name}' is not available here.")
        try:
            return answer(**arguments)
        except (StorageError, kv.InvalidKeyValue) as error:
            raise ExpressionError(str(error)) from None

    def _secret(self, key: str, namespace: str | None = None, subkey: str | None = None) -> str:
        value = settings.CELESTA.secret(key)
        if value is None:
            raise ExpressionError(f"Cannot find secret for key '{key}'.")
        return str(value)

    def _kv(self, key: str, namespace: str | None = None, errorOnMissing: bool = False) -> Json:
        pair = kv.get(self._connection, namespace or self._namespace, key, inherit=namespace is None)
        if pair is None:
            if errorOnMissing:
                raise ExpressionError(
                    f"The key '{key}' does not exist in the namespace '{namespace or self._namespace}'."
                )
            return None
        return pair.value

    def _read(self, path: str, namespace: str | None = None) -> str:
        with current_storage().open(self._address(path, namespace)) as file:
            content = file.read(_MAX_READ + 1)
        if len(content) > _MAX_READ:
            raise ExpressionError(f"The file is larger than {_MAX_READ:,} bytes: {path}")
        return str(content.decode("utf-8", "replace"))

    def _fileSize(self, path: str, namespace: str | None = None) -> int:
        return current_storage().facts(self._address(path, namespace)).size

    def _fileExists(self, path: str, namespace: str | None = None) -> bool:
        return current_storage().exists(self._address(path, namespace))

    def _isFileEmpty(self, path: str, namespace: str | None = None) -> bool:
        try:
            return self._fileSize(path, namespace) == 0
        except FileMissing:
            raise ExpressionError(f"File not found: {path}") from None

    _fileEmpty = _isFileEmpty

    def _address(self, path: str, namespace: str | None) -> str:
        """A namespace file by its path, or a file of an execution that this one may read."""
        if not is_uri(path):
            return uri_of(f"{files_prefix(namespace or self._namespace)}/{path.removeprefix('nsfile://').lstrip('/')}")
        folder = path_of(path)
        allowed = [
            execution_prefix(self._namespace, self._flow_id, execution_id) + "/" for execution_id in self._execution_ids
        ]
        allowed.append(files_prefix(self._namespace) + "/")
        if not any(folder.startswith(prefix) for prefix in allowed):
            raise ExpressionError(f"Unable to read the file '{path}' as it didn't belong to the current execution")
        return path
