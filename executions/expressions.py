"""What expressions ask of the outside, answered from this site: clock, chance, secrets, key-values, files, logs, HTTP.

The same for executor, worker and web; each says where a database connection comes from.
"""

import os
import random
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import lru_cache
from typing import Any

import orjson
from django.conf import settings
from psycopg import OperationalError

from executions import encryption, jq_process, logs, reach
from executions.state import Execution
from executions.storage import kv, secrets
from executions.storage.base import (
    FileMissing,
    StorageError,
    execution_prefix,
    files_prefix,
    is_uri,
    path_of,
    place_of_namespace_file,
    uri_of,
)
from executions.storage.site import current as current_storage
from flows.access import Role
from flows.expressions import crypto
from flows.expressions.errors import ExpressionError
from flows.expressions.frame import Random
from flows.tasks.core import http_call

Json = Any
Database = Callable[[], AbstractContextManager[Any]]  # a psycopg connection for one question
_RANDOM = random.SystemRandom()
_MAX_READ = 10 << 20


@dataclass(frozen=True, slots=True)
class Place:
    """Whose expression it is. Files may also be read of the execution that started this one (`starter`), and of those of
    the same flow that it was replayed from (`earlier`)."""

    namespace: str
    flow_id: str
    execution_id: str = ""
    starter: "Place | None" = None
    earlier: tuple[str, ...] = ()


def place_of(
    namespace: str,
    flow_id: str,
    execution_id: str = "",
    trigger_variables: Mapping[str, Json] | None = None,
    earlier: Sequence[str] = (),
) -> Place:
    """`trigger_variables` tell of the starter, as Subflow and flow triggers leave them."""
    told = trigger_variables or {}
    names = [told.get(name) for name in ("namespace", "flowId", "executionId")]
    starter = Place(*names) if all(isinstance(name, str) and name for name in names) else None  # type: ignore[arg-type]
    return Place(namespace, flow_id, execution_id, starter, tuple(earlier))


def readable_folders(place: Place) -> list[str]:
    """Of the execution, of those that it carries on, and of the one that started it."""
    return [
        execution_prefix(one.namespace, one.flow_id, execution_id)
        for one in (place, place.starter)
        if one is not None and one.execution_id
        for execution_id in (one.execution_id, *one.earlier)
    ]


def earlier_of(execution: Execution) -> list[str]:
    """Whose inputs and outputs a replayed execution carries."""
    return [one for one in (execution.parent_id, execution.original_id) if one and one != execution.id]


def revealed(value: Json) -> Json:
    """Sealed values in the clear, marked as secret. Raises ExpressionError."""
    try:
        return encryption.revealed(value)
    except encryption.CannotDecrypt as error:
        raise ExpressionError(str(error)) from None


def site_variables() -> dict[str, Json]:
    """Variables of every expression that come from this site, not from the flow or the execution."""
    return {"envs": dict(settings.CELESTA.envs), "globals": dict(settings.CELESTA.globals)}


class SiteServices:
    """Implements flows.expressions Services for one execution (or one about to be)."""

    def __init__(self, database: Database, place: Place, *, public_only: bool = False) -> None:
        """`public_only`: `http()` reaches no private address (for what a web process renders)."""
        self._database, self._place, self._public_only = database, place, public_only

    def now(self) -> datetime:
        return datetime.now(UTC)

    def timezone(self) -> str:
        return str(settings.TIME_ZONE)

    def random(self) -> Random:
        return _RANDOM

    def reveal(self, value: object) -> object:
        return revealed(value)

    def call(self, name: str, arguments: dict[str, object]) -> object:
        answer = getattr(self, f"_{name}", None)
        if answer is None:
            raise ExpressionError(f"The function '{name}' is not available here.")
        try:
            try:
                return answer(**arguments)
            except OperationalError:
                # The connection broke under the question. All of them only read: asked once more, on the next one.
                return answer(**arguments)
        except (
            StorageError,
            reach.OutOfReach,
            kv.InvalidKeyValue,
            http_call.HttpFailure,
            jq_process.JqFailure,
        ) as error:
            raise ExpressionError(str(error)) from None

    def _secret(self, key: str, namespace: str | None = None, subkey: str | None = None) -> str:
        own = self._place.namespace
        if namespace is not None and not secrets.may_read(own, namespace):
            raise ExpressionError(f"Namespace '{own}' is not allowed to read secrets of namespace '{namespace}'.")
        try:
            with self._database() as connection:
                value = secrets.find(connection, namespace or own, key)
        except encryption.CannotDecrypt as error:
            raise ExpressionError(f"Cannot read the secret '{key}': {error}") from None
        if value is None:
            raise ExpressionError(f"Cannot find secret for key '{key}'.")
        return value if subkey is None else _part_of_secret(key, value, subkey)

    def _encrypt(self, key: str, plaintext: str) -> str:
        return crypto.encrypt(key, plaintext, os.urandom(12))

    def _kv(self, key: str, namespace: str | None = None, errorOnMissing: bool = False) -> Json:
        with self._database() as connection:
            if namespace is not None:
                reach.check(connection, self._place.namespace, namespace, Role.VIEWER, "read key-values of")
            pair = kv.get(connection, namespace or self._place.namespace, key, inherit=namespace is None)
        if pair is not None:
            return revealed(pair.value)
        if errorOnMissing:
            raise ExpressionError(
                f"The key '{key}' does not exist in the namespace '{namespace or self._place.namespace}'."
            )
        return None

    def _errorLogs(self) -> Json:
        if not self._place.execution_id:
            return []
        with self._database() as connection:
            return logs.errors_of(connection, self._place.execution_id)

    def _jq(self, program: str, value: Json) -> list[Json]:
        return jq_process.run(program, value)

    # Files.

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
        if place := place_of_namespace_file(path, self._place.namespace):
            owner, path = place
            namespace = namespace or (None if owner == self._place.namespace else owner)
        if not is_uri(path):
            if namespace is not None:
                with self._database() as connection:
                    reach.check(connection, self._place.namespace, namespace, Role.VIEWER, "read files of")
            return uri_of(path_of(f"{files_prefix(namespace or self._place.namespace)}/{path.lstrip('/')}"))
        folder = path_of(path)
        allowed = [files_prefix(self._place.namespace), *readable_folders(self._place)]
        if not any(folder.startswith(prefix + "/") for prefix in allowed):
            raise ExpressionError(f"Unable to read the file '{path}' as it didn't belong to the current execution")
        return path

    # The world.

    def _http(self, uri: str, **properties: Json) -> Json:
        refuses = http_call.refusing(settings.CELESTA.http_blocked, private=self._public_only)
        return http_call.fetched(uri, properties, http_call.Settings(read_seconds=15, refuses=refuses))

    def _isPublicHoliday(self, date: Json, countryCode: Json, subDivision: Json = None) -> bool:
        return _day(date) in _calendar(str(countryCode), None if subDivision is None else str(subDivision))


def _part_of_secret(key: str, value: str, subkey: str) -> str:
    """Messages never hold the value."""
    try:
        found = orjson.loads(value)
    except orjson.JSONDecodeError:
        found = None
    if not isinstance(found, dict) or subkey not in found:
        raise ExpressionError(f"The secret '{key}' has no part '{subkey}'.")
    part = found[subkey]
    return part if isinstance(part, str) else orjson.dumps(part).decode()


def _day(value: Json) -> date:
    try:
        return date.fromisoformat(str(value)[:10])
    except ValueError:
        raise ExpressionError(f"Not a date: {str(value)[:60]}") from None


@lru_cache(maxsize=32)
def _calendar(country: str, part: str | None) -> Any:
    import holidays  # large, and rarely asked for

    try:
        return holidays.country_holidays(country, subdiv=part)
    except NotImplementedError as error:
        raise ExpressionError(f"No calendar of public holidays: {error}") from None
