"""What core tasks need of the control plane: key-values, namespace files, executions, logs. Their only door to the database."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, BinaryIO

from django.conf import settings
from django.db import connections

from executions import actions, counting, encryption, logs, reach, store, triggering
from executions.messages import iso
from executions.storage import kv, revisions
from executions.storage.base import Storage, execution_prefix, files_prefix, path_of, uri_of
from executor.worker.connect import connect
from flows import catalog
from flows.access import EVERYWHERE, Role
from flows.definition.durations import format_duration
from flows.definition.inputs import InvalidInputs
from flows.definition.states import State
from flows.tasks.base import TaskFailure
from flows.tasks.core import http_call

Json = Any


class Platform:
    """For the tasks of one namespace. Raises TaskFailure, InvalidKeyValue or StorageError for what the user can mend."""

    def __init__(self, database: Callable[[], AbstractContextManager[Any]], storage: Storage, namespace: str) -> None:
        self._database, self._storage, self._namespace = database, storage, namespace
        # A long upload must not hold up the other tasks of this worker.
        self._files = revisions.NamespaceFiles(storage, self._own_connection)
        self._refuses = http_call.refusing(settings.CELESTA.http_blocked)

    # Key-value pairs.

    def kv_get(self, namespace: str, key: str, *, inherit: bool = False) -> kv.Pair | None:
        self._reach(namespace, Role.VIEWER, "read key-values of")
        with self._database() as connection:
            return kv.get(connection, namespace, key, inherit=inherit)

    def kv_put(
        self,
        namespace: str,
        key: str,
        value: Json,
        *,
        type_name: str | None = None,
        ttl: timedelta | None = None,
        description: str | None = None,
        overwrite: bool = True,
    ) -> None:
        self._reach(namespace, Role.AUTHOR, "write key-values of")
        with self._database() as connection:
            kv.put(
                connection,
                namespace,
                key,
                value,
                type_name=type_name,
                ttl=ttl,
                description=description,
                overwrite=overwrite,
            )

    def kv_delete(self, namespace: str, key: str) -> bool:
        self._reach(namespace, Role.AUTHOR, "delete key-values of")
        with self._database() as connection:
            return kv.delete(connection, namespace, key)

    def kv_keys(self, namespace: str, prefix: str = "") -> list[str]:
        self._reach(namespace, Role.VIEWER, "read key-values of")
        with self._database() as connection:
            return [pair.key for pair in kv.pairs(connection, namespace, prefix)]

    def kv_everywhere(self, *, expired_only: bool) -> list[tuple[str, str]]:
        """Names only; who may purge them `kv_purge` asks."""
        with self._database() as connection:
            return kv.everywhere(connection, expired_only=expired_only)

    def kv_purge(self, names: Sequence[tuple[str, str]], *, expired_only: bool) -> int:
        for namespace in dict.fromkeys(namespace for namespace, _ in names):
            self._reach(namespace, Role.AUTHOR, "purge key-values of")
        with self._database() as connection:
            return kv.purge(connection, names, expired_only=expired_only)

    # Namespace files: relative paths without a leading slash.

    def namespace_files(self, namespace: str) -> list[str]:
        self._reach(namespace, Role.VIEWER, "read files of")
        root = path_of(files_prefix(namespace))
        entries = self._storage.entries(uri_of(root), recursive=True)
        return [entry.path.removeprefix(root).lstrip("/") for entry in entries if not entry.is_folder]

    def namespace_file_uri(self, namespace: str, path: str) -> str:
        return revisions.address(namespace, path)

    def fetch_namespace_file(self, namespace: str, path: str, target: Path) -> None:
        self._reach(namespace, Role.VIEWER, "read files of")
        self._storage.copy_to(self.namespace_file_uri(namespace, path), target)

    def put_namespace_file(self, namespace: str, path: str, source: "Path | bytes | BinaryIO") -> str:
        self._reach(namespace, Role.AUTHOR, "write files of")
        return self._files.put(namespace, path, source)

    def delete_namespace_file(self, namespace: str, path: str) -> bool:
        self._reach(namespace, Role.AUTHOR, "delete files of")
        return self._files.delete(namespace, path)

    def namespaces_with_old_files(self) -> list[str]:
        """Names only; who may purge them `purge_old_files` asks."""
        return self._files.namespaces()

    def old_files(self, namespace: str) -> list[str]:
        """Files with older contents."""
        self._reach(namespace, Role.AUTHOR, "purge files of")
        return self._files.with_history(namespace)

    def purge_old_files(self, namespace: str, path: str, *, before: datetime | None, keep: int | None) -> int:
        self._reach(namespace, Role.AUTHOR, "purge files of")
        return self._files.purge(namespace, path, before=before, keep=keep)

    # Executions.

    def count_executions(self, **wanted: Any) -> list[counting.Count]:
        """The filters of `counting.Wanted`."""
        found = counting.Wanted(**wanted)
        self._reach_all(found, Role.VIEWER, "count executions of")
        with self._own_connection() as connection:
            return counting.count(connection, found)

    def purge_executions(
        self, *, rows: bool, log_lines: bool, metrics: bool, files: bool, **wanted: Any
    ) -> counting.Purged:
        parts, found = counting.Parts(rows, log_lines, metrics, files), counting.Wanted(**wanted)
        self._reach_all(found, Role.OPERATOR, "purge executions of")
        with self._own_connection() as connection:
            return counting.purge(connection, self._storage, found, parts)

    def purge_files_of(self, namespace: str, flow_id: str, execution_id: str) -> list[str]:
        return self._storage.delete_below(uri_of(execution_prefix(namespace, flow_id, execution_id)))

    def resume(self, execution_id: str, inputs: Mapping[str, Json] | None) -> None:
        self._reach_execution(execution_id, Role.OPERATOR, "resume executions of")
        with _asked():
            actions.resume(execution_id, inputs)

    def kill(self, execution_id: str, *, cascade: bool) -> None:
        self._reach_execution(execution_id, Role.OPERATOR, "kill executions of")
        with _asked():
            actions.kill(execution_id, cascade=cascade)

    def toggle_trigger(self, namespace: str, flow_id: str, trigger_id: str, *, enabled: bool) -> None:
        self._reach(namespace, Role.OPERATOR, "switch triggers of")
        with self._database() as connection:
            if not triggering.switch(connection, (namespace, flow_id, trigger_id), is_disabled=not enabled):
                raise TaskFailure(f"Flow {namespace}.{flow_id} has no trigger {trigger_id}")

    def execution(self, execution_id: str) -> dict[str, Json]:
        """What notifications tell of an execution."""
        self._reach_execution(execution_id, Role.VIEWER, "read executions of")
        with self._own_connection() as connection:
            found = store.load(connection, execution_id)
        if found is None:
            raise TaskFailure(f"Execution {execution_id[:60]} is not found")
        last = found.histories[-1][1] if found.state.is_terminal else datetime.now(UTC)
        failed = [run.task_id for run in found.runs.values() if run.state is State.FAILED]
        return {
            "id": found.id,
            "namespace": found.namespace,
            "flowId": found.flow_id,
            "state": found.state.value,
            "startDate": iso(found.start_date),
            "duration": format_duration(last - found.start_date),
            "failedTask": failed[-1] if failed else None,
            "link": f"{settings.CELESTA.public_url}/ui/executions/{found.namespace}/{found.flow_id}/{found.id}",
        }

    # Logs.

    def log_lines(self, **wanted: Any) -> Iterator[dict[str, Json]]:
        """The filters of `logs.Wanted`."""
        found = logs.Wanted(**wanted)
        if found.execution_id is not None:
            self._reach_execution(found.execution_id, Role.VIEWER, "read logs of")
        else:
            self._reach(found.namespace or EVERYWHERE, Role.VIEWER, "read logs of")
        with self._own_connection() as connection:
            yield from logs.lines(connection, found)

    def purge_logs(self, **wanted: Any) -> int:
        found = logs.Wanted(**wanted)
        if found.execution_id is not None:
            self._reach_execution(found.execution_id, Role.OPERATOR, "purge logs of")
        else:
            self._reach(found.namespace or EVERYWHERE, Role.OPERATOR, "purge logs of")
        with self._own_connection() as connection:
            return logs.purge(connection, found)

    # Secrets.

    def encrypted(self, text: str) -> dict[str, str]:
        if not encryption.is_configured():
            raise TaskFailure("There is no encryption key (CELESTA_ENCRYPTION_KEY): nothing can be encrypted")
        return encryption.encrypt(text)

    # HTTP.

    def refuses_address(self, address: http_call.Address) -> bool:
        """The operator's policy (CELESTA_HTTP_BLOCKED), by default what clouds keep for their machines."""
        return self._refuses(address)

    # Other namespaces.

    def _reach(self, namespace: str, role: Role, deed: str) -> None:
        if namespace == self._namespace:
            return
        with self._database() as connection:
            try:
                reach.check(connection, self._namespace, namespace, role, deed)
            except reach.OutOfReach as error:
                raise TaskFailure(str(error)) from None

    def _reach_all(self, wanted: counting.Wanted, role: Role, deed: str) -> None:
        named = [namespace for namespace, _ in wanted.flows or ()] + list(wanted.namespaces or ())
        for namespace in dict.fromkeys(named or [wanted.prefix or EVERYWHERE]):
            self._reach(namespace, role, deed)

    def _reach_execution(self, execution_id: str, role: Role, deed: str) -> None:
        """One that is not there is told by who acts on it."""
        with self._database() as connection:
            namespace = reach.owner(connection, execution_id)
        if namespace is not None:
            self._reach(namespace, role, deed)

    @contextmanager
    def _own_connection(self) -> Iterator[Any]:
        """Long questions must not hold up the other tasks of this worker."""
        with connect("worker task") as connection:
            yield connection


@contextmanager
def _asked() -> Iterator[None]:
    """Actions run in a Django transaction; this thread's connection is not kept."""
    try:
        yield
    except InvalidInputs as error:
        raise TaskFailure(f"Invalid inputs: {error}") from None
    except (actions.NoSuchExecution, actions.ActionRefused, catalog.FlowNotFound) as error:
        raise TaskFailure(str(error)) from None
    finally:
        connections.close_all()
