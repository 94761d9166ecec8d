"""Namespaces and their key-value pairs over REST."""

import re
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import orjson
from django.db.models import Q
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from executions import database
from executions.api import forms
from executions.api.filters import words
from executions.api.serialize import iso
from executions.models import KeyValue
from executions.storage import kv
from flows.access import Role
from flows.api import paging
from flows.api.errors import Gone, NotFound, Unprocessable
from flows.api.filters import Condition, Filter, condition, date, parse, parse_duration, plain, text
from flows.api.reading import access_of
from flows.models import FlowRecord

_NAMESPACE_FILTERS = {"q": ("q", "EQUALS"), "existing": ("existingOnly", "EQUALS")}
_NAMESPACE = re.compile(r"^[a-z0-9][a-z0-9._-]*$")


class NamespaceSearchView(APIView):
    """GET /namespaces/search: those with flows and, unless `existing`, their parents."""

    def get(self, request: Request, **_: Any) -> Response:
        query = request.query_params
        rows = access_of(request).filter(FlowRecord.objects.filter(latest=True, deleted=False))
        names = set(rows.values_list("namespace", flat=True).distinct())
        wanted = {one.field: plain(one) for one in parse(query, _NAMESPACE_FILTERS).children if isinstance(one, Filter)}
        if unknown := wanted.keys() - {"q", "existingOnly"}:
            raise Unprocessable(
                f"Illegal argument: field {min(unknown)[:40]!r} is not supported; supported: existingOnly, q"
            )
        if not forms.switch(wanted, "existingOnly"):
            names |= {parent for name in names for parent in _parents(name)}
        found = sorted(name for name in names if wanted.get("q", "").lower() in name.lower())
        if paging.ordering(query, {"id": "id"}, ("id",))[0].startswith("-"):
            found.reverse()
        return Response(
            paging.page_of_list([{"id": name, "disabled": False, "deleted": False} for name in found], query)
        )


class NamespaceAutocompleteView(APIView):
    """POST /namespaces/autocomplete `{q, ids}`."""

    roles = {"POST": Role.VIEWER}

    def post(self, request: Request, **_: Any) -> Response:
        body = forms.json_body(request.body or b"{}")
        wanted = str(body.get("q") or "").lower() if isinstance(body, Mapping) else ""
        rows = access_of(request).filter(FlowRecord.objects.filter(latest=True, deleted=False))
        names = set(rows.values_list("namespace", flat=True).distinct())
        names |= {parent for name in names for parent in _parents(name)}
        return Response(sorted(name for name in names if wanted in name.lower())[:100])


class NamespaceView(APIView):
    def get(self, request: Request, namespace: str, **_: Any) -> Response:
        if not _NAMESPACE.match(namespace):
            raise Unprocessable(f"Illegal argument: no namespace {namespace[:60]!r}")
        return Response({"id": namespace, "deleted": False})


def _parents(name: str) -> list[str]:
    parts = name.split(".")
    return [".".join(parts[:count]) for count in range(1, len(parts))]


# --- key-value pairs


class KvListView(APIView):
    """/namespaces/{namespace}/kv."""

    roles = {"GET": Role.VIEWER, "*": Role.AUTHOR}

    def get(self, request: Request, namespace: str, **_: Any) -> Response:
        return Response([entry(pair) for pair in kv.pairs(database.current(), namespace)])

    def delete(self, request: Request, namespace: str, **_: Any) -> Response:
        body = forms.json_body(request.body)
        keys = body.get("keys") if isinstance(body, Mapping) else None
        if not isinstance(keys, list) or not all(isinstance(key, str) for key in keys):
            raise Unprocessable("Invalid entity: {keys: [...]}")
        return Response({"keys": kv.delete_all(database.current(), namespace, keys)})


class KvInheritanceView(APIView):
    """Pairs that a namespace has from its parents."""

    def get(self, request: Request, namespace: str, **_: Any) -> Response:
        connection, found = database.current(), {}
        for parent in _parents(namespace):
            if access_of(request).allows(Role.VIEWER, parent):
                found.update({pair.key: pair for pair in kv.pairs(connection, parent)})
        return Response([entry(found[key]) for key in sorted(found)])


class KvAllView(APIView):
    """GET /kv of every namespace that the caller may see."""

    def get(self, request: Request, **_: Any) -> Response:
        query = request.query_params
        rows = access_of(request).filter(KeyValue.objects.all())
        rows = rows.filter(condition(parse(query, _KV_FILTERS), _KV_FIELDS))
        sort = {"namespace": "namespace", "key": "key", "updateDate": "updated", "creationDate": "created"}
        rows = rows.order_by(*paging.ordering(query, sort, ("namespace", "key")))
        return Response(paging.page_of(rows, query, lambda page: [entry(row) for row in page]))


_KV_FILTERS = {"q": ("q", "EQUALS"), "namespace": ("namespace", "EQUALS")}
_KV_FIELDS: dict[str, Condition] = {
    "q": words(lambda word: Q(key__icontains=word) | Q(namespace__icontains=word)),
    "namespace": text("namespace"),
    "updated": date("updated"),
}


class KvView(APIView):
    """/namespaces/{namespace}/kv/{key}."""

    roles = {"GET": Role.VIEWER, "*": Role.AUTHOR}

    def get(self, request: Request, namespace: str, key: str, **_: Any) -> Response:
        pair = kv.get(database.current(), namespace, key)
        if pair is None:
            if KeyValue.objects.filter(namespace=namespace, key=key).exists():
                raise Gone("Resource has expired: The requested value has expired")
            raise NotFound(f"No value found for key '{key[:60]}' in namespace '{namespace}'")
        return Response(
            {"type": pair.type, "value": pair.value, "revision": pair.revision, "updated": iso(pair.updated)}
        )

    def put(self, request: Request, namespace: str, key: str, **_: Any) -> Response:
        type_name, value = literal(_text_of(request.body))
        kv.put(
            database.current(),
            namespace,
            key,
            value,
            type_name=type_name,
            ttl=_ttl(request.headers.get("ttl")),
            description=request.headers.get("description"),
        )
        return Response(status=200)

    def delete(self, request: Request, namespace: str, key: str, **_: Any) -> Response:
        return Response(kv.delete(database.current(), namespace, key))


def _text_of(body: bytes) -> str:
    try:
        return body.decode()
    except UnicodeDecodeError:
        raise Unprocessable("Invalid entity: the value is not UTF-8") from None


def _ttl(text: str | None) -> timedelta | None:
    return parse_duration(text) if text else None


_DURATION = re.compile(r"^P(?=\d|T\d)(\d+D)?(T(\d+H)?(\d+M)?(\d+(\.\d+)?S)?)?$")
_DATE = re.compile(r"^\d{4}-\d{2}-\d{2}$")
_DATETIME = re.compile(r"^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}(:\d{2}(\.\d+)?)?(Z|[+-]\d{2}:?\d{2})?$")


def literal(text: str) -> tuple[str, Any]:
    """A JSON or Ion literal: dates and timestamps may stand without quotes, durations are quoted texts."""
    bare = text.strip()
    if _DATE.match(bare):
        return "DATE", bare
    if _DATETIME.match(bare):
        return "DATETIME", bare
    try:
        value = orjson.loads(bare)
    except orjson.JSONDecodeError:
        return "STRING", text
    if isinstance(value, bool):
        return "BOOLEAN", value
    if isinstance(value, int | float):
        return "NUMBER", value
    if isinstance(value, str):
        return ("DURATION", value) if _DURATION.match(value) else ("STRING", value)
    return "JSON", value


def entry(pair: Any) -> dict[str, Any]:
    found = {
        "namespace": pair.namespace,
        "key": pair.key,
        "revision": 1,
        "version": 1,
        "description": pair.description or None,
        "creationDate": iso(pair.created),
        "updateDate": iso(pair.updated),
        "expirationDate": iso(pair.expires) if pair.expires else None,
    }
    return {key: value for key, value in found.items() if value is not None}
