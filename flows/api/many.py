"""Routes on many flows at once: by ids, by query, in bulk, import and export."""

import io
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from django.db import transaction
from rest_framework.request import Request
from rest_framework.response import Response

from flows import catalog
from flows.access import Role
from flows.api import bodies, filters, reading
from flows.api.base import FlowView
from flows.api.errors import ApiError, BadRequest, Unprocessable
from flows.api.streaming import StreamedAnswer, zip_answer
from flows.api.tables import csv_answer
from flows.definition.errors import InvalidFlow
from flows.models import FlowRecord

_MAX_FILES = 10_000
_MAX_UNPACKED = 100_000_000


class InvalidBulk(ApiError):
    """Nothing was done, since some of the flows are not there."""

    http_status = 400


def _named(request: Request) -> list[tuple[str, str]]:
    """The ids of the body; each must be a flow that the caller may write."""
    pairs = bodies.ids_of(request)
    access = reading.access_of(request)
    missing = []
    for namespace, flow_id in pairs:
        known = catalog.latest_records().filter(namespace=namespace, flow_id=flow_id).exists()
        if not known or not access.allows(Role.AUTHOR, namespace):
            missing.append({"message": "flow not found", "path": f"{namespace}.{flow_id}"})
    if missing:
        raise InvalidBulk("invalid bulk: flow not found", missing)
    return pairs


def _queried(request: Request) -> list[tuple[str, str]]:
    filters.refuse_unusable(request.query_params, reading.LEGACY)
    rows = reading.selected(request, Role.AUTHOR).order_by("namespace", "flow_id")
    return list(rows.values_list("namespace", "flow_id"))


class _ManyView(FlowView):
    def chosen(self, request: Request) -> list[tuple[str, str]]:
        return _named(request)

    def perform(self, request: Request, act: Callable[[str, str], Any]) -> Response:
        pairs = self.chosen(request)
        with transaction.atomic():
            for namespace, flow_id in pairs:
                act(namespace, flow_id)
        return Response({"count": len(pairs)})


class DeleteView(_ManyView):
    def delete(self, request: Request, **_: Any) -> Response:
        return self.perform(request, catalog.delete)


class SwitchView(_ManyView):
    """Enable or disable."""

    disabled = True

    def post(self, request: Request, **_: Any) -> Response:
        return self.perform(request, lambda namespace, flow_id: catalog.set_disabled(namespace, flow_id, self.disabled))


class DeleteByQueryView(DeleteView):
    def chosen(self, request: Request) -> list[tuple[str, str]]:
        return _queried(request)


class SwitchByQueryView(SwitchView):
    def chosen(self, request: Request) -> list[tuple[str, str]]:
        return _queried(request)


class ExportView(FlowView):
    """A zip of the sources."""

    roles = {"GET": Role.VIEWER, "POST": Role.VIEWER}

    def get(self, request: Request, **_: Any) -> StreamedAnswer:
        return _zip_answer(reading.selected(request).order_by("namespace", "flow_id").iterator(chunk_size=200))

    def post(self, request: Request, **_: Any) -> StreamedAnswer:
        access = reading.access_of(request)
        pairs = [pair for pair in bodies.ids_of(request) if access.allows(Role.VIEWER, pair[0])]
        return _zip_answer([catalog.record(namespace, flow_id) for namespace, flow_id in pairs])


def _zip_answer(rows: Iterable[FlowRecord]) -> StreamedAnswer:
    return zip_answer("flows.zip", ((f"{row.namespace}.{row.flow_id}.yml", [row.source.encode()]) for row in rows))


class CsvView(FlowView):
    """GET /flows/export/by-query/csv"""

    def get(self, request: Request, **_: Any) -> StreamedAnswer:
        columns = ("id", "namespace", "revision", "description", "disabled", "updated")
        rows = reading.selected(request).order_by("namespace", "flow_id")
        table = (
            [row.flow_id, row.namespace, row.revision, row.description, row.disabled, row.created.isoformat()]
            for row in rows.iterator(chunk_size=500)
        )
        return csv_answer("flows", columns, table)


class BulkView(FlowView):
    """POST /flows/bulk: many flows; `delete=true` removes the others of their namespaces."""

    def post(self, request: Request, **_: Any) -> Response:
        flows = [catalog.check(source) for source in bodies.sources_of(request)]
        within = request.query_params.get("namespace")
        children = reading.switch(request, "allowNamespaceChild")
        for flow in flows:
            reading.authorize(request, Role.AUTHOR, flow.namespace)
            below = children and within is not None and flow.namespace.startswith(within + ".")
            if within is not None and flow.namespace != within and not below:
                text = f"flow.namespace: Invalid namespace: {flow.namespace} is not {within}"
                raise Unprocessable(f"Invalid entity: {text}")
        wanted = {(flow.namespace, flow.id) for flow in flows}
        if len(wanted) < len(flows):
            raise Unprocessable("Invalid entity: flow.id: Duplicate id")
        shown: list[FlowRecord] = []
        with transaction.atomic():
            if reading.switch(request, "delete", True):
                namespaces = {namespace for namespace, _ in wanted} | ({within} if within else set())
                shown = _delete_others(request, namespaces, wanted)
            shown += [catalog.save(flow.source) for flow in flows]
        return Response([reading.as_json(row, source=True) for row in shown])


def _delete_others(request: Request, namespaces: set[str], wanted: set[tuple[str, str]]) -> list[FlowRecord]:
    for namespace in namespaces:
        reading.authorize(request, Role.AUTHOR, namespace)
    rows = catalog.latest_records().filter(namespace__in=namespaces).order_by("namespace", "flow_id")
    pairs = [pair for pair in rows.values_list("namespace", "flow_id") if pair not in wanted]
    return [catalog.delete(namespace, flow_id) for namespace, flow_id in pairs]


class ImportView(FlowView):
    """POST /flows/import: a YAML file or a zip of them; answers the names of those that were refused."""

    def post(self, request: Request, **_: Any) -> Response:
        files = uploaded_files(request)
        refused = [name for name, text in files if not self._store(request, text)]
        if refused and reading.switch(request, "failOnError"):
            raise Unprocessable(f"Invalid entity: these files were refused: {', '.join(refused)}")
        return Response(refused)

    def _store(self, request: Request, content: bytes) -> bool:
        """All flows of the file, or none."""
        try:
            with transaction.atomic():
                for source in bodies.documents(content.decode("utf-8-sig")):
                    flow = catalog.check(source)
                    reading.authorize(request, Role.AUTHOR, flow.namespace)
                    catalog.save(flow.source)
        except (InvalidFlow, UnicodeDecodeError):
            return False
        return True


def uploaded_files(request: Request) -> list[tuple[str, bytes]]:
    """The files of an import: one YAML file, or those of a zip."""
    upload = request.FILES.get("fileUpload") if hasattr(request, "FILES") else None
    if upload is None:
        raise BadRequest("Required argument fileUpload is missing")
    name, content = upload.name or "", upload.read()
    if name.endswith(".zip") or content[:4] == b"PK\x03\x04":
        files = _unpacked(content)
    elif name.endswith((".yaml", ".yml")):
        files = [(name, content)]
    else:
        raise Unprocessable("Illegal argument: the file must be .yaml, .yml or .zip")
    return files


def _unpacked(content: bytes) -> list[tuple[str, bytes]]:
    """Never more than the limits, whatever the archive says of itself."""
    found, left = [], _MAX_UNPACKED
    with readable_zip(io.BytesIO(content)) as archive:
        entries = [entry for entry in archive.infolist() if entry.filename.endswith((".yaml", ".yml"))]
        if len(entries) > _MAX_FILES:
            raise Unprocessable(f"Illegal argument: more than {_MAX_FILES} files")
        for entry in entries:
            with archive.open(entry) as file:
                text = file.read(left + 1)
            left -= len(text)
            if left < 0:
                raise Unprocessable(f"Illegal argument: more than {_MAX_UNPACKED} bytes")
            found.append((entry.filename, text))
    return found


@contextmanager
def readable_zip(file: Any) -> Iterator[zipfile.ZipFile]:
    """Raises Unprocessable for one that is broken, encrypted or packed in a way that nobody here knows."""
    try:
        with zipfile.ZipFile(file) as archive:
            yield archive
    except (zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError, EOFError) as error:
        raise Unprocessable(f"Illegal argument: the zip cannot be read: {error}") from None
