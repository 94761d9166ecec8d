"""Files of executions and of namespaces over REST: download, size, preview, upload, move, export."""

import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, BinaryIO, cast

from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from executions import database
from executions.api import forms, reading
from executions.api.preview import preview
from executions.ids import to_base62
from executions.models import ExecutionRecord
from executions.storage.base import FileFacts, execution_prefix, files_prefix, path_of, uri_of
from executions.storage.revisions import NamespaceFiles, address
from executions.storage.site import current as storage
from flows.access import Role
from flows.api.errors import BadRequest, NotFound, Unprocessable
from flows.api.many import readable_zip
from flows.api.reading import access_of
from flows.api.streaming import CHUNK, StreamedAnswer, StreamedFile, zip_answer

_MAX_EXPORT_FILES = 10_000


class ExecutionFileView(APIView):
    """GET /executions/{id}/file?path=kestra:///…"""

    def get(self, request: Request, execution_id: str, **_: Any) -> StreamedFile:
        return attachment(_address(request, execution_id))


class ExecutionFileMetasView(APIView):
    def get(self, request: Request, execution_id: str, **_: Any) -> Response:
        return Response({"size": storage().facts(_address(request, execution_id)).size})


class ExecutionFilePreviewView(APIView):
    """The first rows of a file, typed by its extension."""

    def get(self, request: Request, execution_id: str, **_: Any) -> Response:
        uri = _address(request, execution_id)
        rows = forms.number(request.query_params, "maxRows")
        encoding = request.query_params.get("encoding") or "UTF-8"
        with storage().open(uri) as file:
            return Response(preview(file, uri, rows, encoding))


def _address(request: Request, execution_id: str) -> str:
    """Only files of this very execution."""
    record = reading.record_of(access_of(request), execution_id)
    uri = forms.required(request.query_params, "path")
    path = path_of(uri)
    if not path.startswith(_prefix(record)):
        raise Unprocessable(f"Illegal argument: Invalid prefix path: {uri[:200]}")
    return uri_of(path)


def _prefix(record: ExecutionRecord) -> str:
    return execution_prefix(record.namespace, record.flow_id, to_base62(record.pk)) + "/"


def attachment(uri: str, name: str | None = None) -> StreamedFile:
    """Never shown inline: an uploaded page must not run in our origin."""
    facts = storage().facts(uri)
    if facts.is_folder:
        raise NotFound(uri[:200])
    response = StreamedFile(
        storage().open(uri),
        as_attachment=True,
        filename=name or facts.name,
        content_type="application/octet-stream",
    )
    response["X-Content-Type-Options"] = "nosniff"
    response["Content-Security-Policy"] = "sandbox"
    return response


# --- namespace files


def _files() -> NamespaceFiles:
    return NamespaceFiles(storage(), _database)


@contextmanager
def _database() -> Iterator[Any]:
    yield database.current()


class NamespaceFilesView(APIView):
    """/namespaces/{namespace}/files: GET one, POST upload, PUT move, DELETE."""

    roles = {"GET": Role.VIEWER, "*": Role.AUTHOR}

    def get(self, request: Request, namespace: str, **_: Any) -> StreamedFile:
        path, revision = forms.required(request.query_params, "path"), forms.number(request.query_params, "revision")
        if revision is None:
            return attachment(address(namespace, path))
        return attachment(_files().address_of(namespace, path, revision), path.rpartition("/")[2])

    def post(self, request: Request, namespace: str, **_: Any) -> Response:
        path = forms.required(request.query_params, "path")
        uploads = request._request.FILES.getlist("fileContent")
        if len(uploads) != 1:
            raise BadRequest("Required Part [fileContent] not specified")
        upload: Any = uploads[0]
        if path.endswith(".zip") and zipfile.is_zipfile(upload):
            upload.seek(0)
            _unpack(namespace, upload)
        else:
            upload.seek(0)
            _files().put(namespace, path, upload)
        return Response(status=200)

    def put(self, request: Request, namespace: str, **_: Any) -> Response:
        source, target = (forms.required(request.query_params, name) for name in ("from", "to"))
        _files().move(namespace, source, target)
        return Response(status=200)

    def delete(self, request: Request, namespace: str, **_: Any) -> Response:
        _files().delete_below(namespace, forms.required(request.query_params, "path"))
        return Response(status=200)


def _unpack(namespace: str, upload: Any) -> None:
    """Names are checked one by one: none leaves the namespace's folder."""
    with readable_zip(upload) as archive:
        entries = [entry for entry in archive.infolist() if not entry.is_dir()]
        if len(entries) > _MAX_EXPORT_FILES or sum(entry.file_size for entry in entries) > 1 << 30:
            raise Unprocessable("Illegal argument: the archive holds too many or too large files")
        for entry in entries:
            address(namespace, entry.filename)
        for entry in entries:
            with archive.open(entry) as file:
                _files().put(namespace, entry.filename, cast("BinaryIO", file))


class NamespaceFileRevisionsView(APIView):
    """GET /namespaces/{namespace}/files/revisions?path= `[{revision}]`, the current one last."""

    def get(self, request: Request, namespace: str, **_: Any) -> Response:
        found = _files().revisions(namespace, forms.required(request.query_params, "path"))
        return Response([{"revision": number} for number in found])


class NamespaceFileSearchView(APIView):
    def get(self, request: Request, namespace: str, **_: Any) -> Response:
        wanted = (request.query_params.get("q") or "").lower()
        names = [_relative(namespace, facts) for facts in _all(namespace) if not facts.is_folder]
        return Response([name for name in names if wanted in name.lower()])


class NamespaceFileStatsView(APIView):
    def get(self, request: Request, namespace: str, **_: Any) -> Response:
        path = request.query_params.get("path") or "/"
        if path.strip("/") == "":
            storage().make_folder(uri_of(files_prefix(namespace)))
        return Response(attributes(storage().facts(address(namespace, path))))


class NamespaceDirectoryView(APIView):
    roles = {"GET": Role.VIEWER, "*": Role.AUTHOR}

    def get(self, request: Request, namespace: str, **_: Any) -> Response:
        folder = address(namespace, request.query_params.get("path") or "/")
        if storage().exists(folder) or path_of(folder).rstrip("/") != files_prefix(namespace):
            storage().facts(folder)
        return Response([attributes(facts) for facts in storage().entries(folder)])

    def post(self, request: Request, namespace: str, **_: Any) -> Response:
        storage().make_folder(address(namespace, forms.required(request.query_params, "path")))
        return Response(status=200)


class NamespaceExportView(APIView):
    def get(self, request: Request, namespace: str, **_: Any) -> StreamedAnswer:
        files = (
            (_relative(namespace, facts).lstrip("/"), _parts(facts)) for facts in _all(namespace) if not facts.is_folder
        )
        return zip_answer(f"{namespace}_files.zip", files)


def _parts(facts: FileFacts) -> Iterator[bytes]:
    with storage().open(uri_of(facts.path)) as file:
        while part := file.read(CHUNK):
            yield part


def _all(namespace: str) -> Iterator[FileFacts]:
    return iter(storage().entries(uri_of(files_prefix(namespace)), recursive=True))


def _relative(namespace: str, facts: FileFacts) -> str:
    return facts.path.removeprefix(files_prefix(namespace))


def attributes(facts: FileFacts) -> dict[str, Any]:
    milliseconds = int(facts.modified.timestamp() * 1000)
    return {
        "fileName": facts.name or "_files",
        "lastModifiedTime": milliseconds,
        "creationTime": milliseconds,
        "type": "Directory" if facts.is_folder else "File",
        "size": facts.size,
    }
