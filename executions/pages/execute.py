"""Starting an execution from a form of the flow's inputs, checked while it is filled in. `actions` starts it."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render

from executions import actions, inputs
from executions.pages import fields
from executions.pages.acting import refusal
from executions.pages.rights import execution_or_404
from flows.access import Role
from flows.definition.input_types import Input
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
    return _form(request, shown, shown.flow, fields.build(shown.flow.inputs, values), labels=labels)


def _form(
    request: HttpRequest, shown: Any, flow: Flow, made: list[Any], status: int = 200, **more: Json
) -> HttpResponse:
    context = {"record": shown.record, "flow": flow, "fields": made, **more}
    return render(request, "executions/execute.html", context, status=status)


def _started(request: HttpRequest, shown: Any, flow: Flow) -> HttpResponse:
    values, files = fields.given(request, flow.inputs)
    labels = request.POST.get("labels", "")
    try:
        done = actions.trigger(
            flow.namespace,
            flow.id,
            values,
            labels=_labels(labels),
            schedule_date=_moment(request.POST.get("schedule", ""), request.POST.get("zone", "")),
            files=files,
        )
    except _Wrong as wrong:
        return _form(request, shown, flow, fields.build(flow.inputs, values), 422, labels=labels, refused=str(wrong))
    except Exception as error:
        refused = refusal(error)
        if refused is None:
            raise
        errors = dict(getattr(error, "errors", ()))
        said = "Some values do not fit: see below." if errors else refused[1]
        made = fields.build(flow.inputs, values, errors)
        return _form(request, shown, flow, made, refused[0], labels=labels, refused=said)
    return redirect("execution", execution_id=done.id)


class _Wrong(Exception):
    """Something beside the inputs does not fit."""


def _labels(text: str) -> dict[str, str]:
    """`key:value`, one a line or separated by blanks."""
    found = {}
    for word in text.split():
        key, colon, value = word.partition(":")
        if not key or not colon or not value:
            raise _Wrong(f"Labels are written key:value, separated by blanks; this is none: {word[:80]}")
        if key.startswith("system."):
            raise _Wrong("Labels that begin with system. are set by Celesta itself.")
        found[key] = value
    return found


def _moment(text: str, zone: str) -> datetime | None:
    """A local time of the reader's."""
    if not text:
        return None
    try:
        moment = datetime.fromisoformat(text)
        return moment if moment.tzinfo else moment.replace(tzinfo=ZoneInfo(zone) if zone else UTC)
    except (ValueError, ZoneInfoNotFoundError):
        raise _Wrong("The time to start at is not a date with a time.") from None


def _taken_over(request: HttpRequest) -> tuple[dict[str, Json] | None, str]:
    """Inputs and labels of the execution named by `?from=`, but for secrets and files."""
    wanted = request.GET.get("from")
    if not wanted:
        return None, ""
    record = execution_or_404(request, wanted)
    flat = dict(_flat(record.inputs))
    labels = [f"{label['key']}:{label['value']}" for label in record.labels if not label["key"].startswith("system.")]
    return flat, " ".join(labels)


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
    return JsonResponse({"inputs": judged(request, shown.flow, shown.flow.inputs)})


def judged(request: HttpRequest, flow: Flow, wanted: Sequence[Input]) -> list[Json]:
    values, _ = fields.given(request, wanted)
    chosen = {one.id: one.id for one in wanted if request.POST.get(f"file:{one.id}")}
    return [
        {
            "id": answer.input.id,
            "enabled": answer.enabled,
            "error": answer.error,
            "given": answer.given,
            "value": "••••••" if answer.input.type == "SECRET" and answer.value is not None else answer.value,
        }
        for answer in inputs.answers(flow, values, chosen, wanted)
    ]
