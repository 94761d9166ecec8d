"""The stored flows: found, saved, revised, deleted. Revisions are immutable rows; parsed ones are cached.

Knows no executions. `load` works on any psycopg connection, the rest on the caller's Django transaction.
"""

import re
from collections import OrderedDict
from collections.abc import Hashable, Iterator, Sequence
from threading import Lock
from typing import Any

from django.conf import settings
from django.db import connection as django_connection
from django.db import transaction
from psycopg.rows import tuple_row

from flows import listeners, templates
from flows.definition.errors import InvalidFlow, Violation
from flows.definition.model import Flow
from flows.definition.parse import parse_flow
from flows.definition.yaml_guard import MAX_BYTES
from flows.models import FlowRecord

_COLUMNS = "id, revision, source, namespace, deleted"
_LATEST = f"SELECT {_COLUMNS} FROM flows WHERE namespace = %s AND flow_id = %s AND latest"
_REVISION = f"SELECT {_COLUMNS} FROM flows WHERE namespace = %s AND flow_id = %s AND revision = %s"


class FlowNotFound(LookupError):
    http_status = 404

    def __init__(self, namespace: str, flow_id: str, revision: int | None = None) -> None:
        where = f"{namespace}_{flow_id}" + (f"_{revision}" if revision is not None else "")
        super().__init__(f"Unable to find flow {where}")
        self.namespace, self.flow_id, self.revision = namespace, flow_id, revision


class FlowExists(Exception):
    http_status = 422

    def __init__(self, namespace: str, flow_id: str) -> None:
        super().__init__("Flow id already exists")
        self.namespace, self.flow_id = namespace, flow_id


class _Cache:
    """The least recently used flows leave first."""

    def __init__(self, size: int) -> None:
        self._size, self._lock = size, Lock()
        self._flows: OrderedDict[Hashable, Flow] = OrderedDict()

    def get(self, key: Hashable) -> Flow | None:
        with self._lock:
            flow = self._flows.get(key)
            if flow is not None:
                self._flows.move_to_end(key)
            return flow

    def put(self, key: Hashable, flow: Flow) -> None:
        with self._lock:
            self._flows[key] = flow
            while len(self._flows) > self._size:
                self._flows.popitem(last=False)

    def clear(self) -> None:
        with self._lock:
            self._flows.clear()


# By row id: a rolled back revision never comes back under another source. By name only for executors and
# workers, which see nothing but committed revisions.
_by_row = _Cache(1_000)
_by_name = _Cache(1_000)


def forget() -> None:
    """Drop every cached flow (the database was replaced)."""
    _by_row.clear()
    _by_name.clear()
    listeners.forget()


def load(connection: Any, namespace: str, flow_id: str, revision: int | None = None) -> Flow:
    """For executor and worker: a committed revision, deleted or not; the latest one must not be deleted.

    Raises FlowNotFound, and InvalidFlow when this version no longer reads a stored text.
    """
    key = (namespace, flow_id, revision)
    known = _by_name.get(key) if revision is not None else None
    if known is not None:
        return known
    flow = _read(connection, namespace, flow_id, revision, allow_deleted=revision is not None)
    if not flow.uses_templates:
        _by_name.put((namespace, flow_id, flow.revision), flow)
    return flow


def find(namespace: str, flow_id: str, revision: int | None = None, *, allow_deleted: bool = False) -> Flow:
    """As the caller's transaction sees it. Raises FlowNotFound, InvalidFlow."""
    django_connection.ensure_connection()
    return _read(django_connection.connection, namespace, flow_id, revision, allow_deleted)


def _read(connection: Any, namespace: str, flow_id: str, revision: int | None, allow_deleted: bool) -> Flow:
    query, parameters = (
        (_LATEST, [namespace, flow_id])
        if revision is None
        else (
            _REVISION,
            [namespace, flow_id, revision],
        )
    )
    with connection.cursor(row_factory=tuple_row) as cursor:
        row = cursor.execute(query, parameters).fetchone()
    if row is None or (row[4] and not allow_deleted):
        raise FlowNotFound(namespace, flow_id, revision)
    flow = _parsed(row[0], row[1], row[2], row[3])
    return _with_templates(connection, row[0], flow) if flow.uses_templates else flow


def _with_templates(connection: Any, row_id: int, flow: Flow) -> Flow:
    """The flow with its templates as they are now: a change of any template shows at once."""
    key = (row_id, *templates.stamp(connection))
    known = _by_row.get(key)
    if known is None:
        known = parse_flow(
            flow.source,
            namespace=flow.namespace,
            revision=flow.revision,
            max_bytes=2 * max_bytes(),
            template_of=templates.template_of(connection),
        )
        _by_row.put(key, known)
    return known


def _parsed(row_id: int, revision: int, source: str, namespace: str) -> Flow:
    flow = _by_row.get(row_id)
    if flow is None:
        flow = parse_flow(source, namespace=namespace, revision=revision, max_bytes=2 * max_bytes())
        _by_row.put(row_id, flow)
    return flow


def parsed(record: FlowRecord) -> Flow:
    """Raises InvalidFlow when this version no longer reads the stored text."""
    return _parsed(record.pk, record.revision, record.source, record.namespace)


def max_bytes() -> int:
    """The largest text of one flow."""
    return int(getattr(settings, "FLOW_MAX_BYTES", MAX_BYTES))


def exists(namespace: str, flow_id: str) -> bool:
    return FlowRecord.objects.filter(namespace=namespace, flow_id=flow_id, latest=True, deleted=False).exists()


def record(namespace: str, flow_id: str, revision: int | None = None, *, allow_deleted: bool = False) -> FlowRecord:
    """Raises FlowNotFound."""
    rows = FlowRecord.objects.filter(namespace=namespace, flow_id=flow_id)
    row = (rows.filter(latest=True) if revision is None else rows.filter(revision=revision)).first()
    if row is None or (row.deleted and not allow_deleted):
        raise FlowNotFound(namespace, flow_id, revision)
    return row


def revisions(namespace: str, flow_id: str) -> list[FlowRecord]:
    """Oldest first, deletions included. Raises FlowNotFound."""
    rows = list(FlowRecord.objects.filter(namespace=namespace, flow_id=flow_id).order_by("revision"))
    if not rows:
        raise FlowNotFound(namespace, flow_id)
    return rows


def check(source: str, namespace: str | None = None) -> Flow:
    """Parse without storing. Raises InvalidFlow."""
    return parse_flow(source, namespace=namespace, max_bytes=max_bytes())


def create(source: str, namespace: str | None = None) -> FlowRecord:
    """Raises InvalidFlow, FlowExists."""
    flow = check(source, namespace)
    with transaction.atomic():
        latest = _lock(flow.namespace, flow.id)
        if latest is not None and not latest.deleted:
            raise FlowExists(flow.namespace, flow.id)
        return _append(flow, latest)


def revise(namespace: str, flow_id: str, source: str) -> FlowRecord:
    """A new revision, unless nothing changed. Raises InvalidFlow, FlowNotFound."""
    with transaction.atomic():
        latest = _lock(namespace, flow_id)
        if latest is None or latest.deleted:
            raise FlowNotFound(namespace, flow_id)
        flow = check(source, namespace)
        errors = [
            Violation(f"Illegal {what} update", path)
            for what, path, old, new in (
                ("namespace", "flow.namespace", namespace, flow.namespace),
                ("flow id", "flow.id", flow_id, flow.id),
            )
            if old != new
        ]
        if errors:
            raise InvalidFlow(errors)
        return latest if latest.source == source else _append(flow, latest)


def save(source: str, namespace: str | None = None) -> FlowRecord:
    """Create or revise, whichever it takes. Raises InvalidFlow."""
    flow = check(source, namespace)
    with transaction.atomic():
        latest = _lock(flow.namespace, flow.id)
        if latest is not None and latest.source == source and not latest.deleted:
            return latest
        return _append(flow, latest)


def delete(namespace: str, flow_id: str) -> FlowRecord:
    """A revision that says deleted: history and running executions keep theirs. Raises FlowNotFound."""
    with transaction.atomic():
        latest = _lock(namespace, flow_id)
        if latest is None or latest.deleted:
            raise FlowNotFound(namespace, flow_id)
        return _follow(latest, deleted=True)


def delete_revisions(namespace: str, flow_id: str, numbers: Sequence[int]) -> int:
    """Old revisions only; executions of them can no longer be restarted. Raises FlowNotFound, ValueError."""
    known = {row.revision: row for row in revisions(namespace, flow_id)}
    for number in numbers:
        if number not in known:
            raise FlowNotFound(namespace, flow_id, number)
        if known[number].latest:
            raise ValueError(f"revision {number} is the latest one and cannot be deleted")
    deleted, _ = FlowRecord.objects.filter(pk__in=[known[number].pk for number in numbers]).delete()
    return deleted


def set_disabled(namespace: str, flow_id: str, disabled: bool) -> FlowRecord:
    """A new revision whose text says so, unless it does already. Raises FlowNotFound."""
    with transaction.atomic():
        latest = _lock(namespace, flow_id)
        if latest is None or latest.deleted:
            raise FlowNotFound(namespace, flow_id)
        if latest.disabled == disabled:
            return latest
        return _append(check(_with_disabled(latest.source, disabled), namespace), latest)


def _with_disabled(source: str, disabled: bool) -> str:
    value = "true" if disabled else "false"
    changed, count = re.subn(r"(?m)^(disabled[ \t]*:[ \t]*)[^\s#]+", rf"\g<1>{value}", source, count=1)
    return changed if count else f"{source.rstrip()}\ndisabled: {value}\n"


def latest_records(*, deleted: bool = False) -> Any:
    """Queryset of the latest revisions."""
    rows = FlowRecord.objects.filter(latest=True)
    return rows if deleted else rows.filter(deleted=False)


def with_trigger(type_name: str) -> Iterator[Flow]:
    """Live flows that have a trigger of this (canonical) type; unreadable ones are passed over."""
    rows = latest_records().filter(disabled=False, trigger_types__contains=[type_name])
    for row in rows.order_by("namespace", "flow_id"):
        try:
            yield parsed(row)
        except InvalidFlow:
            continue


def hold(namespace: str, flow_id: str) -> FlowRecord:
    """The latest revision, which nobody else changes before this transaction ends. Raises FlowNotFound."""
    latest = _lock(namespace, flow_id)
    if latest is None or latest.deleted:
        raise FlowNotFound(namespace, flow_id)
    return latest


def _lock(namespace: str, flow_id: str) -> FlowRecord | None:
    """One writer per flow at a time, also before its first revision."""
    with django_connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [f"flow:{namespace}/{flow_id}"])
    return FlowRecord.objects.filter(namespace=namespace, flow_id=flow_id, latest=True).first()


def _append(flow: Flow, latest: FlowRecord | None) -> FlowRecord:
    row = FlowRecord(
        namespace=flow.namespace,
        flow_id=flow.id,
        source=flow.source,
        description=flow.description or "",
        labels={label["key"]: label["value"] for label in flow.labels},
        disabled=flow.disabled,
        deleted=flow.deleted,
        trigger_types=flow.trigger_types,
    )
    return _store(row, latest)


def _follow(latest: FlowRecord, *, deleted: bool) -> FlowRecord:
    row = FlowRecord(
        namespace=latest.namespace,
        flow_id=latest.flow_id,
        source=latest.source,
        description=latest.description,
        labels=latest.labels,
        disabled=latest.disabled,
        deleted=deleted,
        trigger_types=latest.trigger_types,
    )
    return _store(row, latest)


def _store(row: FlowRecord, latest: FlowRecord | None) -> FlowRecord:
    row.revision = latest.revision + 1 if latest is not None else 1
    if latest is not None:
        FlowRecord.objects.filter(pk=latest.pk).update(latest=False)
    row.save(force_insert=True)
    if listeners.listens(row.trigger_types) or (latest is not None and listeners.listens(latest.trigger_types)):
        with django_connection.cursor() as cursor:
            listeners.raise_version(cursor)
    return row
