"""Triggers over REST: those of the flows, with what is kept of each. 1.x items carry 2.0's flat fields too."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from django.db.models import Q, QuerySet
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from executions import triggers
from executions.api import forms
from executions.api.serialize import iso
from executions.ids import to_base62
from executions.models import TriggerRecord
from executions.triggers import Key
from flows import catalog
from flows.access import Access, Role
from flows.api import paging
from flows.api.errors import Conflict, NotFound, Unprocessable
from flows.api.filters import Filter, Tree, parse, plain, refuse_unusable, supported, tree_of
from flows.api.reading import access_of
from flows.api.streaming import StreamedAnswer
from flows.api.tables import csv_answer
from flows.definition.errors import InvalidFlow
from flows.models import FlowRecord

Json = dict[str, Any]
_MOST_AT_ONCE = 10_000
_LEGACY = {
    "q": ("q", "EQUALS"),
    "namespace": ("namespace", "PREFIX"),
    "flowId": ("flowId", "EQUALS"),
    "triggerId": ("triggerId", "EQUALS"),
    "workerId": ("workerId", "EQUALS"),
}
_SORT = ("namespace", "flowId", "triggerId", "nextExecutionDate", "date", "updatedDate", "disabled")


class Found:
    """One trigger: its text in the flow, and its row where there is one."""

    __slots__ = ("document", "flow", "row")

    def __init__(self, flow: FlowRecord, document: Json, row: TriggerRecord | None) -> None:
        self.flow, self.document, self.row = flow, document, row

    @property
    def key(self) -> Key:
        return Key(self.flow.namespace, self.flow.flow_id, str(self.document.get("id")))

    @property
    def is_disabled(self) -> bool:
        return bool(self.document.get("disabled")) or (self.row is not None and self.row.disabled)

    def context(self) -> Json:
        row = self.row
        found = {
            "namespace": self.key.namespace,
            "flowId": self.key.flow_id,
            "triggerId": self.key.trigger_id,
            "date": iso(row.last_date if row and row.last_date else self.flow.created),
            "nextExecutionDate": iso(row.next_date) if row and row.next_date else None,
            "backfill": row.backfill if row else None,
            "stopAfter": self.document.get("stopAfter"),
            "disabled": self.is_disabled,
            "executionId": to_base62(row.execution_id) if row and row.execution_id else None,
            "updatedDate": iso(row.updated if row else self.flow.created),
        }
        return {name: value for name, value in found.items() if value is not None}

    def flat(self) -> Json:
        row, context = self.row, self.context()
        found = {
            **context,
            "updatedAt": context["updatedDate"],
            "evaluatedAt": iso(row.last_date) if row and row.last_date else None,
            "lastTriggeredDate": iso(row.last_date) if row and row.last_date else None,
            "nextEvaluationDate": context.get("nextExecutionDate"),
            "locked": bool(row and row.execution_id),
            "type": self.document.get("type"),
        }
        return {name: value for name, value in found.items() if value is not None}

    def both(self) -> Json:
        return {**self.flat(), "abstractTrigger": self.document, "triggerContext": self.context()}


def found_triggers(access: Access, role: Role = Role.VIEWER, **narrowed: str) -> list[Found]:
    """All triggers of live flows that the caller may see, in order."""
    flows: QuerySet[FlowRecord] = access.filter(catalog.latest_records(), role).exclude(trigger_types=[])
    flows = flows.filter(**narrowed).order_by("namespace", "flow_id")
    rows = {
        (row.namespace, row.flow_id, row.trigger_id): row
        for row in access.filter(TriggerRecord.objects.filter(**narrowed), role)
    }
    return list(_of_flows(flows, rows))


def _of_flows(flows: "QuerySet[FlowRecord]", rows: dict[tuple[str, str, str], TriggerRecord]) -> Iterator[Found]:
    for flow in flows:
        try:
            document = catalog.parsed(flow).document
        except InvalidFlow:
            continue
        for trigger in document.get("triggers") or ():
            if isinstance(trigger, dict):
                yield Found(flow, trigger, rows.get((flow.namespace, flow.flow_id, str(trigger.get("id")))))


# --- filters: on values, since triggers stand in the text of flows


def _matches(tree: Tree, found: Found) -> bool:
    results = [_matches(child, found) if isinstance(child, Tree) else _holds(child, found) for child in tree.children]
    return any(results) if tree.logical == "or" and results else all(results)


_READ: dict[str, Callable[[Found], str]] = {
    "namespace": lambda found: found.key.namespace,
    "flowId": lambda found: found.key.flow_id,
    "triggerId": lambda found: found.key.trigger_id,
    "workerId": lambda found: "",
    "triggerState": lambda found: "DISABLED" if found.is_disabled else "ENABLED",
}
_OPERATIONS: dict[str, Callable[[str, str], bool]] = {
    "EQUALS": lambda value, wanted: value == wanted,
    "NOT_EQUALS": lambda value, wanted: value != wanted,
    "IN": lambda value, wanted: value in [item.strip() for item in wanted.split(",")],
    "NOT_IN": lambda value, wanted: value not in [item.strip() for item in wanted.split(",")],
    "STARTS_WITH": lambda value, wanted: value.startswith(wanted),
    "ENDS_WITH": lambda value, wanted: value.endswith(wanted),
    "CONTAINS": lambda value, wanted: wanted.lower() in value.lower(),
    "NOT_CONTAINS": lambda value, wanted: wanted.lower() not in value.lower(),
    "PREFIX": lambda value, wanted: value == wanted or value.startswith(wanted + "."),
}


def _holds(filter: Filter, found: Found) -> bool:
    if filter.field == "q":
        text = " ".join((found.key.namespace, found.key.flow_id, found.key.trigger_id)).lower()
        has = all(word in text for word in plain(filter).lower().split())
        return has != (supported(filter, {"EQUALS", "NOT_EQUALS", "CONTAINS"}) == "NOT_EQUALS")
    read = _READ.get(filter.field)
    if read is None:
        listed = ", ".join(sorted([*_READ, "q"]))
        raise Unprocessable(f"Illegal argument: field {filter.field[:40]!r} is not supported; supported: {listed}")
    return _OPERATIONS[supported(filter, set(_OPERATIONS))](read(found), plain(filter))


def _selected(request: Request, role: Role = Role.VIEWER, *more: Tree, **narrowed: str) -> list[Found]:
    tree = Tree("and", (parse(request.query_params, _LEGACY), *more))
    found = [one for one in found_triggers(access_of(request), role, **narrowed) if _matches(tree, one)]
    if not found:
        _matches(tree, _NOTHING)  # an unknown field is refused also where there is nothing to filter
    order = paging.ordering(request.query_params, {name: name for name in _SORT}, ())
    for item in reversed(order):
        name = item.removeprefix("-")
        found.sort(key=lambda one: str(one.context().get(name, "")), reverse=item.startswith("-"))
    return found


_NOTHING = Found(FlowRecord(namespace="", flow_id=""), {"id": ""}, None)


# --- reading


class TriggerSearchView(APIView):
    """GET /triggers/search"""

    def get(self, request: Request, **_: Any) -> Response:
        page = paging.page_of_list(_selected(request), request.query_params)
        return Response({**page, "results": [found.both() for found in page["results"]]})


class TriggersOfFlowView(APIView):
    """GET /triggers/{namespace}/{flowId}"""

    def get(self, request: Request, namespace: str, flow_id: str, **_: Any) -> Response:
        found = _selected(request, namespace=namespace, flow_id=flow_id)
        page = paging.page_of_list(found, request.query_params)
        return Response({**page, "results": [one.flat() for one in page["results"]]})


class TriggerCsvView(APIView):
    """GET /triggers/export/by-query/csv"""

    def get(self, request: Request, **_: Any) -> StreamedAnswer:
        columns = ("namespace", "flowId", "triggerId", "type", "disabled", "date", "nextExecutionDate", "updatedDate")
        found = [one.flat() for one in _selected(request)]
        return csv_answer("triggers", columns, iter([[one.get(name, "") for name in columns] for one in found]))


# --- changes


def _one(access: Access, body: Any) -> Found:
    """The trigger that a body names. What may not be seen is not found."""
    if not isinstance(body, dict):
        raise Unprocessable("Invalid entity: a trigger {namespace, flowId, triggerId}")
    names = [body.get(name) for name in ("namespace", "flowId", "triggerId")]
    if not all(isinstance(name, str) and name for name in names):
        raise Unprocessable("Invalid entity: a trigger {namespace, flowId, triggerId}")
    namespace, flow_id, trigger_id = (str(name) for name in names)
    if access.allows(Role.OPERATOR, namespace):
        for found in found_triggers(access, Role.OPERATOR, namespace=namespace, flow_id=flow_id):
            if found.key.trigger_id == trigger_id:
                return found
    raise NotFound(f"trigger {trigger_id[:60]} of {namespace[:60]}.{flow_id[:60]}")


def _again(access: Access, key: Key) -> Json:
    found = found_triggers(access, namespace=key.namespace, flow_id=key.flow_id)
    return next(one.flat() for one in found if one.key == key)


class TriggerView(APIView):
    """PUT /triggers: enable or disable; a schedule's backfill needs a scheduler and is refused."""

    roles = {"PUT": Role.OPERATOR}

    def put(self, request: Request, **_: Any) -> Response:
        body = forms.json_body(request.body)
        found = _one(access_of(request), body)
        if body.get("backfill"):
            raise _no_schedules(found)
        if isinstance(body.get("disabled"), bool):
            triggers.set_disabled([found.key], body["disabled"])
        return Response(_again(access_of(request), found.key))


def _no_schedules(found: Found) -> Conflict:
    return Conflict(f"Illegal state: {found.key.trigger_id} cannot be backfilled: no scheduler runs")


class SetDisabledView(APIView):
    """PUT /triggers/set-disabled (2.0): one trigger, in the body or as the only one of `triggers`."""

    roles = {"PUT": Role.OPERATOR}

    def put(self, request: Request, **_: Any) -> Response:
        body = forms.json_body(request.body)
        found = _one(access_of(request), body)
        triggers.set_disabled([found.key], bool(body.get("disabled", True)))
        return Response(_again(access_of(request), found.key))


class OneTriggerView(APIView):
    """POST /triggers/{namespace}/{flowId}/{triggerId}/unlock|restart, and DELETE of what is kept of it."""

    roles = {"*": Role.OPERATOR}
    action = ""

    def post(self, request: Request, namespace: str, flow_id: str, trigger_id: str, **_: Any) -> Response:
        found = self._found(request, namespace, flow_id, trigger_id)
        if self.action == "unlock":
            if triggers.unlock([found.key]) == 0:
                raise Conflict("Illegal state: Trigger is not locked")
        elif self.action == "restart":
            triggers.restart(found.key)
        else:
            return self.http_method_not_allowed(request)
        return Response(_again(access_of(request), found.key))

    def delete(self, request: Request, namespace: str, flow_id: str, trigger_id: str, **_: Any) -> Response:
        if self.action:
            return self.http_method_not_allowed(request)
        triggers.delete([self._found(request, namespace, flow_id, trigger_id).key])
        return Response(status=204)

    def _found(self, request: Request, namespace: str, flow_id: str, trigger_id: str) -> Found:
        names = {"namespace": namespace, "flowId": flow_id, "triggerId": trigger_id}
        return _one(access_of(request), names)


class BackfillView(APIView):
    """PUT /triggers/backfill/{create|pause|unpause}, POST /triggers/backfill/delete"""

    roles = {"*": Role.OPERATOR}
    action = ""

    def act(self, request: Request, **_: Any) -> Response:
        found = _one(access_of(request), forms.json_body(request.body))
        if self.action == "create":
            raise _no_schedules(found)
        ACTIONS[f"backfill/{self.action}"]([found.key], {})
        return Response(_again(access_of(request), found.key))

    put = post = act


Act = Callable[[Sequence[Key], Json], int]
ACTIONS: dict[str, Act] = {
    "unlock": lambda keys, body: triggers.unlock(keys),
    "delete": lambda keys, body: triggers.delete(keys),
    "set-disabled": lambda keys, body: triggers.set_disabled(keys, bool(body.get("disabled", True))),
    "backfill/pause": lambda keys, body: triggers.set_backfill_paused(keys, True),
    "backfill/unpause": lambda keys, body: triggers.set_backfill_paused(keys, False),
    "backfill/delete": lambda keys, body: triggers.delete_backfill(keys),
}


class ByTriggersView(APIView):
    """{action}/by-triggers: a list of triggers (set-disabled: `{triggers, disabled}`); each is authorised on its own."""

    roles = {"*": Role.OPERATOR}
    action = ""

    def act(self, request: Request, **_: Any) -> Response:
        body = forms.json_body(request.body)
        listed = body.get("triggers") if isinstance(body, dict) else body
        if not isinstance(listed, list) or len(listed) > _MOST_AT_ONCE:
            raise Unprocessable(f"Invalid entity: a list of at most {_MOST_AT_ONCE} triggers")
        keys = [_one(access_of(request), one).key for one in listed]
        return Response({"count": ACTIONS[self.action](keys, body if isinstance(body, dict) else {})})

    post = delete = act


class ByQueryView(APIView):
    """{action}/by-query: for all that a search would find."""

    roles = {"*": Role.OPERATOR}
    action = ""

    def act(self, request: Request, **_: Any) -> Response:
        query = request.query_params
        refuse_unusable(query, (*_LEGACY, "disabled"))
        keys = [found.key for found in _selected(request, Role.OPERATOR, tree_of(_filters_in(request)))]
        if self.action in ("backfill/pause", "backfill/unpause"):
            keys = [key for key in keys if TriggerRecord.objects.filter(_row_of(key), backfill__isnull=False).exists()]
        return Response({"count": ACTIONS[self.action](keys, {"disabled": forms.switch(query, "disabled", True)})})

    post = delete = act


def _filters_in(request: Request) -> Any:
    """`{"filters": [...]}` of the clients that delete by query; others send nothing, or what they sent before."""
    body = forms.json_body(request.body) if request.body.strip() else None
    return body.get("filters") if isinstance(body, dict) else None


def _row_of(key: Key) -> Q:
    return Q(namespace=key.namespace, flow_id=key.flow_id, trigger_id=key.trigger_id)
