"""Starting an execution from a form of the flow's inputs, checked while it is filled in. `actions` starts it."""

from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render

from executions import actions
from executions.pages import fields
from executions.pages.acting import WrongForm, given_labels, label_rows, refusal
from executions.pages.rights import execution_or_404
from executions.starting import is_within_reach
from flows.access import Role
from flows.definition.model import Flow
from flows.pages import reading
from flows.pages.rights import page

Json = Any


@page("GET", "POST", role=Role.OPERATOR)
def execute(request: HttpRequest, namespace: str, flow_id: str) -> HttpResponse:
    shown = reading.flow_or_404(request, namespace, flow_id, Role.OPERATOR)
    if shown.flow is None:
        raise Http404("The text of this flow cannot be read any more: edit it first.")
    if request.method == "POST":
        return _started(request, shown, shown.flow)
    values, labels = _taken_over(request)
    return _form(request, shown, shown.flow, fields.build(shown.flow.inputs, values), label_rows=labels)


def _form(
    request: HttpRequest, shown: Any, flow: Flow, made: list[Any], status: int = 200, **more: Json
) -> HttpResponse:
    context = {"record": shown.record, "flow": flow, "fields": made, **more}
    return render(request, "executions/execute.html", context, status=status)


def _started(request: HttpRequest, shown: Any, flow: Flow) -> HttpResponse:
    values, files = fields.given(request, flow.inputs)
    try:
        done = actions.trigger(
            flow.namespace,
            flow.id,
            values,
            labels=given_labels(request.POST),
            schedule_date=_moment(request.POST.get("schedule", ""), request.POST.get("zone", "")),
            files=files,
        )
    except Exception as error:
        refused = refusal(error)
        if refused is None:
            raise
        errors = dict(getattr(error, "errors", ()))
        said = "Some values do not fit: see below." if errors else refused[1]
        made = fields.build(flow.inputs, values, errors)
        return _form(request, shown, flow, made, refused[0], label_rows=label_rows(request.POST), refused=said)
    return redirect("execution", execution_id=done.id)


def _moment(text: str, zone: str) -> datetime | None:
    """A local time of the reader's."""
    if not text:
        return None
    try:
        moment = datetime.fromisoformat(text)
        moment = moment if moment.tzinfo else moment.replace(tzinfo=ZoneInfo(zone) if zone else UTC)
    except (ValueError, ZoneInfoNotFoundError):
        raise WrongForm("The time to start at is not a date with a time.") from None
    if not is_within_reach(moment):
        raise WrongForm("The time to start at is too far away.")
    return moment


def _taken_over(request: HttpRequest) -> tuple[dict[str, Json] | None, list[tuple[str, str]]]:
    """Inputs and labels of the execution named by `?from=`, but for secrets and files."""
    wanted = request.GET.get("from")
    if not wanted:
        return None, []
    record = execution_or_404(request, wanted)
    flat = dict(_flat(record.inputs))
    return flat, [(label["key"], label["value"]) for label in record.labels if not label["key"].startswith("system.")]


def _flat(values: dict[str, Json], prefix: str = "") -> Any:
    """Inner maps twice: as `a.b` for nested ids, and whole for JSON inputs."""
    for key, value in values.items():
        if isinstance(value, dict):
            if str(value.get("type", "")).endswith(":aes_encrypted"):
                continue
            yield from _flat(value, f"{prefix}{key}.")
        yield prefix + key, value


@page("POST", role=Role.OPERATOR)
def check(request: HttpRequest, namespace: str, flow_id: str) -> HttpResponse:
    """What would become of the values given so far: for each input its value, its error, whether it is asked for."""
    shown = reading.flow_or_404(request, namespace, flow_id, Role.OPERATOR)
    if shown.flow is None:
        raise Http404("The text of this flow cannot be read any more.")
    return JsonResponse({"inputs": fields.judged(request, shown.flow, shown.flow.inputs)})
