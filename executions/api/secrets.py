"""Names of secrets over REST, never their values. They are written in the administration."""

from typing import Any

from django.conf import settings
from django.db.models import Q
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from executions.api.filters import words
from executions.models import SecretRecord
from flows.access import EVERYWHERE, Access, Role
from flows.api import paging
from flows.api.filters import Condition, condition, parse, text
from flows.api.reading import access_of

Json = dict[str, Any]
_FILTERS = {"q": ("q", "EQUALS"), "namespace": ("namespace", "EQUALS")}
_FIELDS: dict[str, Condition] = {
    "q": words(lambda word: Q(key__icontains=word) | Q(namespace__icontains=word)),
    "namespace": text("namespace"),
}
_SORT = {"key": "key", "namespace": "namespace"}


def _listed(request: Request, rows: Any) -> Response:
    query = request.query_params
    rows = rows.filter(condition(parse(query, _FILTERS), _FIELDS))
    rows = rows.order_by(*paging.ordering(query, _SORT, ("namespace", "key")))
    return Response({**paging.page_of(rows, query, lambda page: [_shown(row) for row in page]), "readOnly": True})


def _shown(row: SecretRecord) -> Json:
    found = {"namespace": row.namespace, "key": row.key, "description": row.description}
    return {name: value for name, value in found.items() if value}


class SecretsView(APIView):
    """GET /secrets: of all namespaces whose flows the caller may write."""

    roles = {"GET": Role.AUTHOR}

    def get(self, request: Request, **_: Any) -> Response:
        return _listed(request, access_of(request).filter(SecretRecord.objects.all(), Role.AUTHOR))


class NamespaceSecretsView(APIView):
    """GET /namespaces/{namespace}/secrets"""

    roles = {"GET": Role.AUTHOR}

    def get(self, request: Request, namespace: str, **_: Any) -> Response:
        return _listed(request, SecretRecord.objects.filter(namespace=namespace))


class InheritedSecretsView(APIView):
    """GET /namespaces/{namespace}/inherited-secrets `{namespace: [keys]}`: its own, its parents', and those of the process."""

    roles = {"GET": Role.AUTHOR}

    def get(self, request: Request, namespace: str, **_: Any) -> Response:
        found = readable_keys(access_of(request), namespace)
        if access_of(request).allows(Role.ADMIN, EVERYWHERE):
            found[""] = sorted(settings.CELESTA.secrets)
        return Response({name: keys for name, keys in found.items() if keys})


def readable_keys(access: Access, namespace: str) -> dict[str, list[str]]:
    """A parent's names are shown to who may write there, though every flow below may use them."""
    parts = namespace.split(".")
    chain = [".".join(parts[:count]) for count in range(len(parts), 0, -1)]
    found: dict[str, list[str]] = {name: [] for name in chain if access.allows(Role.AUTHOR, name)}
    rows = SecretRecord.objects.filter(namespace__in=list(found)).order_by("key")
    for name, key in rows.values_list("namespace", "key"):
        found[name].append(key)
    return found
