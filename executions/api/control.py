"""Actions on executions over REST: one, by ids, by query. Each route names its action; `actions` does it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from executions import actions
from executions.api import forms, reading
from executions.api.executions import LEGACY, CreateView, page_url, selected, visible, what_to_delete
from executions.api.filters import parse_execution_id, parse_state
from executions.ids import to_base62
from executions.starting import refuse_system_labels
from executions.state import Execution
from flows import catalog
from flows.access import Access, Role
from flows.api.errors import BadRequest, Unprocessable
from flows.api.filters import refuse_unusable
from flows.api.reading import access_of
from flows.definition.states import TERMINAL, State

Act = Callable[[str], Execution | int]
MOST_AT_ONCE = 10_000


@dataclass(frozen=True, slots=True)
class Action:
    """What a route does: `prepare` reads the request once and answers the call for each execution id."""

    name: str
    prepare: Callable[[Request], Act]
    # Status and body of the single form in the 0.x and 1.x dialects; 2.0 always answers the execution.
    status: int = 200
    has_body: bool = True
    # On many executions, where the body names them or is empty.
    prepare_many: Callable[[Request], Act] | None = None
    prepare_found: Callable[[Request], Act] | None = None  # by query
    takes: tuple[str, ...] = ()  # parameters of its own; all others of a query are filters


def _plain(act: Act) -> Callable[[Request], Act]:
    return lambda request: act


def _kill(request: Request) -> Act:
    cascade = forms.switch(request.query_params, "isOnKillCascade", True)
    return lambda execution_id: actions.kill(execution_id, cascade=cascade)


def _restart(request: Request) -> Act:
    revision = forms.number(request.query_params, "revision")
    return lambda execution_id: actions.restart(execution_id, revision)


def _replay(request: Request) -> Act:
    task_run = request.query_params.get("taskRunId") or None
    revision = _replayed_revision(request)
    latest = forms.switch(request.query_params, "latestRevision")
    points = forms.breakpoints(request.query_params)
    return lambda execution_id: actions.replay(execution_id, task_run, revision, latest=latest, points=points)


def _replay_with_inputs(request: Request) -> Act:
    inputs, files = forms.inputs_of(request)
    task_run = request.query_params.get("taskRunId") or None
    revision = _replayed_revision(request)
    points = forms.breakpoints(request.query_params)
    return lambda execution_id: actions.replay(execution_id, task_run, revision, inputs, files, points=points)


def _replayed_revision(request: Request) -> int | None:
    return forms.number(request.query_params, "revision")


def _resume(request: Request) -> Act:
    inputs, files = forms.inputs_of(request)
    by = request.user.get_username() or None
    return lambda execution_id: actions.resume(execution_id, inputs, files, by=by)


def _resume_from_breakpoint(request: Request) -> Act:
    points = forms.breakpoints(request.query_params)
    return lambda execution_id: actions.resume_from_breakpoint(execution_id, points)


def _unqueue(request: Request, name: str = "state") -> Act:
    query = request.query_params
    state = parse_state(query.get("newState") or query.get(name) or "RUNNING")
    return lambda execution_id: actions.unqueue(execution_id, State(state))


def _unqueue_found(request: Request) -> Act:
    """By query `state` says which executions are meant."""
    return _unqueue(request, "newState")


def _change_status(request: Request) -> Act:
    query = request.query_params
    name = query.get("status") or query.get("newStatus")
    if not name:
        raise BadRequest("Required QueryValue [status] not specified")
    state = State(parse_state(name))
    if state not in TERMINAL:
        raise Unprocessable("Illegal argument: You can only change the state to a terminal state.")
    return lambda execution_id: actions.change_status(execution_id, state)


def _labels(request: Request) -> Act:
    body = forms.json_body(request.body)
    if isinstance(body, Mapping) and "executionLabels" in body:
        body = body["executionLabels"]
    labels = forms.label_objects(body)
    refuse_system_labels(labels)
    return lambda execution_id: actions.set_labels(execution_id, labels)


def _state(request: Request) -> Act:
    body = forms.json_body(request.body)
    if not isinstance(body, Mapping) or not isinstance(body.get("taskRunId"), str):
        raise Unprocessable("Invalid entity: taskRunId and state are required")
    state = State(parse_state(str(body.get("state"))))
    return lambda execution_id: actions.set_task_state(execution_id, body["taskRunId"], state)


_REPLAYED = ("taskRunId", "revision", "latestRevision", "breakpoints")
ACTIONS = {
    action.name: action
    for action in (
        Action("kill", _kill, 202, has_body=False, takes=("isOnKillCascade",)),
        Action("pause", _plain(actions.pause), 200, has_body=False),
        Action("resume", _resume, 204, has_body=False, prepare_many=_plain(actions.resume)),
        Action("restart", _restart, takes=("revision",)),
        Action("replay", _replay, takes=_REPLAYED),
        Action("replay-with-inputs", _replay_with_inputs, takes=_REPLAYED),
        Action("force-run", _plain(actions.force_run)),
        Action("unqueue", _unqueue, prepare_found=_unqueue_found, takes=("newState",)),
        Action("change-status", _change_status, takes=("newStatus", "status")),
        Action("labels", _labels),
        Action("state", _state),
        Action("resume-from-breakpoint", _resume_from_breakpoint, takes=("breakpoints",)),
    )
}


class ActionView(APIView):
    """POST (kill: DELETE) /executions/{id}/{action}, and 2.0's /executions/{id}/actions/{action}."""

    roles = {"*": Role.OPERATOR}
    action = ""
    is_newer = False  # the 2.0 dialect

    def act(self, request: Request, execution_id: str, **_: Any) -> Response:
        if parse_execution_id(execution_id) is None and catalog.exists(execution_id, self.action):
            # A flow may be called like an action: these are its namespace and its name.
            return CreateView().post(request, execution_id, self.action)
        record = reading.record_of(access_of(request), execution_id, Role.OPERATOR)
        action = ACTIONS[self.action]
        done = action.prepare(request)(execution_id)
        if not (action.has_body or self.is_newer):
            return Response(status=action.status)
        assert isinstance(done, Execution)
        url = page_url(record.namespace, record.flow_id, done.id)
        # As the action left it: the executor may have gone on since.
        return Response(reading.as_left(done, url=url), status=200)

    post = delete = act


class BulkByIdsView(APIView):
    """POST (kill, delete: DELETE) /executions/{action}/by-ids with a JSON list of ids."""

    roles = {"*": Role.OPERATOR}
    action = ""

    def act(self, request: Request, **_: Any) -> Response:
        ids = _ids_of(request)
        act = _act_on_many(self.action, request)
        unknown = _unknown(access_of(request), ids)
        if unknown:
            raise actions.BulkRefused(self.action, [(text, "execution not found") for text in unknown])
        return Response({"count": actions.bulk(self.action, ids, act)})

    post = delete = act


class BulkByQueryView(APIView):
    """The same for everything that a search with these parameters would find."""

    roles = {"*": Role.OPERATOR}
    action = ""

    def act(self, request: Request, **_: Any) -> Response:
        refuse_unusable(request.query_params, (*LEGACY, *ACTIONS[self.action].takes))
        act = _act_on_many(self.action, request, found=True)
        ids = _found(selected(access_of(request), request.query_params, Role.OPERATOR))
        return Response({"count": actions.bulk(self.action, ids, act)})

    post = delete = act


class DeleteByIdsView(APIView):
    roles = {"*": Role.OPERATOR}

    def delete(self, request: Request, **_: Any) -> Response:
        ids = _ids_of(request)
        unknown = [(text, "execution not found") for text in _unknown(access_of(request), ids)]
        if not forms.switch(request.query_params, "includeNonTerminated"):
            rows = visible(access_of(request)).filter(pk__in=_uuids(ids)).exclude(state__in=[str(s) for s in TERMINAL])
            unknown += [(to_base62(uuid), "execution is still running") for uuid in rows.values_list("pk", flat=True)]
        if unknown:
            raise actions.BulkRefused("delete", unknown)
        return Response({"count": actions.delete(ids, **what_to_delete(request.query_params))})


_DELETED = ("includeNonTerminated", "deleteLogs", "deleteMetrics", "deleteStorage")


class DeleteByQueryView(APIView):
    roles = {"*": Role.OPERATOR}

    def delete(self, request: Request, **_: Any) -> Response:
        refuse_unusable(request.query_params, (*LEGACY, *_DELETED))
        rows = selected(access_of(request), request.query_params, Role.OPERATOR)
        if not forms.switch(request.query_params, "includeNonTerminated"):
            rows = rows.filter(state__in=[str(state) for state in TERMINAL])
        return Response({"count": actions.delete(_found(rows), **what_to_delete(request.query_params))})


def _act_on_many(name: str, request: Request, *, found: bool = False) -> Act:
    action = ACTIONS[name]
    prepare = action.prepare_found if found else None
    return (prepare or action.prepare_many or action.prepare)(request)


def _ids_of(request: Request) -> list[str]:
    body = forms.json_body(request.body)
    if isinstance(body, Mapping):
        body = body.get("executionsId")
    if not isinstance(body, list) or not all(isinstance(item, str) for item in body):
        raise Unprocessable("Invalid entity: a list of execution ids")
    if len(body) > MOST_AT_ONCE:
        raise Unprocessable(f"Illegal argument: at most {MOST_AT_ONCE} executions at once")
    return body


def _uuids(ids: list[str]) -> list[Any]:
    return [uuid for uuid in map(parse_execution_id, ids) if uuid]


def _unknown(access: Access, ids: list[str]) -> list[str]:
    """Every id is authorised on its own."""
    known = set(visible(access, Role.OPERATOR).filter(pk__in=_uuids(ids)).values_list("pk", flat=True))
    return [text for text in ids if parse_execution_id(text) not in known]


def _found(rows: Any) -> list[str]:
    uuids = list(rows.order_by("pk").values_list("pk", flat=True)[: MOST_AT_ONCE + 1])
    if len(uuids) > MOST_AT_ONCE:
        raise Unprocessable(f"Illegal argument: more than {MOST_AT_ONCE} executions are meant; narrow the query")
    return [to_base62(uuid) for uuid in uuids]
