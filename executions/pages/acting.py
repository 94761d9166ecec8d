"""What a page's buttons do to executions, one or many, and the form of a pause. `actions` decides."""

from collections.abc import Callable
from typing import Any

from django.contrib import messages
from django.core.exceptions import BadRequest
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse, QueryDict
from django.shortcuts import redirect, render
from django.utils.http import url_has_allowed_host_and_scheme

from executions import actions
from executions.ids import to_base62
from executions.models import ExecutionRecord, TaskRunRecord
from executions.pages import fields, lists
from executions.pages.execution import allowed_actions
from executions.pages.rights import execution_or_404, executions_or_404
from executions.state import Execution
from flows import catalog
from flows.access import Role
from flows.definition.states import State
from flows.pages.rights import access_of, page

MOST_AT_ONCE = 1000


def refusal(error: Exception) -> tuple[int, str] | None:
    """Status and text of an error that a user can do something about."""
    status = getattr(error, "http_status", None)
    reason = getattr(error, "reason", None) or str(error)
    if status is None and type(error).__name__ == "Refused":
        status = 409
    return (status, reason) if status else None


def _kill(record: ExecutionRecord, request: HttpRequest, execution_id: str) -> Execution:
    return actions.kill(execution_id)


def _restart(record: ExecutionRecord, request: HttpRequest, execution_id: str) -> Execution:
    return actions.restart(execution_id, _revision(record, request))


def _replay(record: ExecutionRecord, request: HttpRequest, execution_id: str) -> Execution:
    return actions.replay(execution_id, request.POST.get("from") or None, _revision(record, request))


def _revision(record: ExecutionRecord, request: HttpRequest) -> int | None:
    """`latest` runs the flow as it is now; anything else the revision that ran."""
    if request.POST.get("revision") != "latest":
        return None
    latest = catalog.find(record.namespace, record.flow_id).revision
    return latest if latest != record.flow_revision else None


def _change_status(record: ExecutionRecord, request: HttpRequest, execution_id: str) -> Execution:
    name = request.POST.get("state", "")
    if name not in State.__members__ or not State(name).is_terminal:
        raise Http404("There is no such final state.")
    return actions.change_status(execution_id, State(name))


def _task_state(record: ExecutionRecord, request: HttpRequest, execution_id: str) -> Execution:
    name = request.POST.get("state", "")
    if name not in ("SUCCESS", "WARNING", "FAILED"):
        raise Http404("A task run cannot be set to this state.")
    return actions.set_task_state(execution_id, request.POST.get("from", ""), State(name))


def _labels(record: ExecutionRecord, request: HttpRequest, execution_id: str) -> Execution:
    return actions.set_labels(execution_id, given_labels(request.POST), replace=True)


class WrongForm(Exception):
    """What was typed does not fit; says what does."""

    http_status = 422


def given_labels(form: QueryDict) -> dict[str, str]:
    """The rows of `_labels.html`; those left empty are none."""
    found = {}
    for key, value in label_rows(form):
        if not key or not value:
            raise WrongForm(f"A label has a key and a value; one of them is missing beside {key or value!r:.80}.")
        if key.startswith("system."):
            raise WrongForm("Labels that begin with system. are set by Celesta itself.")
        if key in found:
            raise WrongForm(f"Label {key[:80]} is given twice.")
        found[key] = value
    return found


def label_rows(form: QueryDict) -> list[tuple[str, str]]:
    rows = zip(form.getlist("label-key"), form.getlist("label-value"), strict=False)
    return [(key.strip(), value.strip()) for key, value in rows if key.strip() or value.strip()]


_ONE: dict[str, Callable[[ExecutionRecord, HttpRequest, str], Execution]] = {
    "kill": _kill,
    "restart": _restart,
    "replay": _replay,
    "status": _change_status,
    "task-state": _task_state,
    "labels": _labels,
    "pause": lambda record, request, execution_id: actions.pause(execution_id),
    "unqueue": lambda record, request, execution_id: actions.unqueue(execution_id),
    "force_run": lambda record, request, execution_id: actions.force_run(execution_id),
}
_MANY: dict[str, Callable[[str], Any]] = {
    "kill": actions.kill,
    "restart": actions.restart,
    "replay": actions.replay,
    "resume": actions.resume,
}


@page("POST", role=Role.OPERATOR)
def act(request: HttpRequest, execution_id: str, action: str) -> HttpResponse:
    """Answers where to go on: the same page, or the new execution's. A refusal says why."""
    record = execution_or_404(request, execution_id, Role.OPERATOR)
    try:
        if action == "delete":
            actions.delete([execution_id])
            messages.success(request, f"Execution {execution_id} was deleted.")
            return JsonResponse({"location": "/executions"})
        if action not in _ONE:
            raise Http404("There is no such action.")
        done = _ONE[action](record, request, execution_id)
    except Exception as error:
        refused = refusal(error)
        if refused is None:
            raise
        return JsonResponse({"message": refused[1]}, status=refused[0])
    if action == "labels":
        messages.success(request, "The labels are set.")
        return JsonResponse({"location": f"/executions/{execution_id}"})
    return JsonResponse({"location": f"/executions/{done.id}" if done.id != execution_id else None})


@page("POST", role=Role.OPERATOR)
def bulk(request: HttpRequest) -> HttpResponse:
    """The same on many: on all of them or, if one cannot, on none."""
    try:
        name, ids = request.POST.get("action", ""), _chosen(request)
    except WrongForm as wrong:
        return render(request, "400.html", {"exception": str(wrong)}, status=wrong.http_status)
    if name not in (*_MANY, "delete") or not ids:
        raise Http404("There is no such action, or nothing was chosen.")
    executions_or_404(request, ids, Role.OPERATOR)
    try:
        count = actions.delete(ids) if name == "delete" else actions.bulk(name, ids, _MANY[name])
        messages.success(request, f"{name.capitalize()}: {count} execution{'s' if count != 1 else ''}.")
    except actions.BulkRefused as refused:
        reasons = "; ".join(f"{execution_id}: {reason}" for execution_id, reason in refused.invalids[:5])
        messages.error(request, f"Nothing was done, because not all of them allow it. {reasons}")
    back = request.POST.get("back", "")
    safe = url_has_allowed_host_and_scheme(back, allowed_hosts={request.get_host()})
    return redirect(back if safe and back.startswith("/executions") else "/executions")


def _chosen(request: HttpRequest) -> list[str]:
    """Those ticked; with `everything`, all that the filters of the list find (the newest first, at most so many)."""
    if not request.POST.get("everything"):
        return request.POST.get("ids", "").split()[:MOST_AT_ONCE]
    visible = access_of(request).filter(ExecutionRecord.objects.filter(deleted=False), Role.OPERATOR)
    query = QueryDict(request.POST.get("query", "").removeprefix("?"))
    if any("\0" in value for _, values in query.lists() for value in values):  # not passed over: it would choose all
        raise BadRequest("A filter cannot hold a NUL character.")
    if reason := lists.unusable(query):
        raise WrongForm(f"Nothing was done, because a filter of the list cannot be used: {reason}.")
    rows = lists.ordered(lists.filtered(visible, query), query.get("sort", ""))
    return [to_base62(pk) for pk in rows.values_list("pk", flat=True)[:MOST_AT_ONCE]]


@page("GET", "POST", role=Role.OPERATOR)
def resume(request: HttpRequest, execution_id: str) -> HttpResponse:
    """At once when the pause asks for nothing, else after the form of its `onResume` inputs."""
    record = execution_or_404(request, execution_id, Role.OPERATOR)
    if request.method == "GET" and "resume" not in allowed_actions(record.state):
        messages.warning(request, f"It is {record.state.lower()}, not paused: there is nothing to resume.")
        return redirect("execution", execution_id=execution_id)
    wanted = _asked_for(record)
    if request.method == "GET":
        context = {"execution": record, "execution_id": execution_id, "fields": fields.build(wanted)}
        return render(request, "executions/resume.html", context)
    given, files = fields.given(request, wanted)
    try:
        actions.resume(execution_id, given, files, by=request.user.get_username() or None)
    except Exception as error:
        refused = refusal(error)
        if refused is None:
            raise
        context = {
            "execution": record,
            "execution_id": execution_id,
            "fields": fields.build(wanted, given, dict(getattr(error, "errors", ()))),
            "refused": refused[1],
        }
        return render(request, "executions/resume.html", context, status=refused[0])
    return redirect("execution", execution_id=execution_id)


@page("POST", role=Role.OPERATOR)
def check_resume(request: HttpRequest, execution_id: str) -> HttpResponse:
    """What would become of the values given so far, while the form is filled in."""
    record = execution_or_404(request, execution_id, Role.OPERATOR)
    flow = catalog.find(record.namespace, record.flow_id, record.flow_revision, allow_deleted=True)
    return JsonResponse({"inputs": fields.judged(request, flow, _asked_for(record))})


def _asked_for(record: ExecutionRecord) -> list[Any]:
    """The `onResume` inputs of the task at which it paused."""
    paused = TaskRunRecord.objects.filter(execution_id=record.pk, state="PAUSED").order_by("seq").first()
    if paused is None:
        return []
    flow = catalog.find(record.namespace, record.flow_id, record.flow_revision, allow_deleted=True)
    place = flow.task_index.get(paused.task_id)
    return list(getattr(place.task, "on_resume", None) or ()) if place else []
