"""Writing flows: the editor's page, its checks while typing, saving, the revisions and what changed between them."""

import difflib
from typing import Any

import orjson
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render

from flows import catalog
from flows.access import Role
from flows.definition.errors import InvalidFlow
from flows.definition.expression_advice import expression_advice
from flows.definition.model import Flow
from flows.definition.yaml_guard import read_document
from flows.pages import completion, reading, topology
from flows.pages.rights import access_of, page, require

Json = dict[str, Any]
_NEW = """\
id: my_flow
namespace: {namespace}
description: Says hello.

inputs:
  - id: name
    type: STRING
    defaults: world

tasks:
  - id: hello
    type: io.kestra.plugin.core.log.Log
    message: Hello {{{{ inputs.name }}}}
"""


@page(role=Role.AUTHOR)
def new(request: HttpRequest) -> HttpResponse:
    namespace = request.GET.get("namespace") or next(
        (granted for granted, role in access_of(request).grants if granted and role >= Role.AUTHOR),
        "company.team",
    )
    context = {
        "source": _NEW.format(namespace=namespace),
        "is_new": True,
        "start": {"saved": None, "new": True},
    }
    return render(request, "flows/editor.html", context)


@page(role=Role.VIEWER)
def edit(request: HttpRequest, namespace: str, flow_id: str) -> HttpResponse:
    shown = reading.flow_or_404(request, namespace, flow_id)
    may_write = access_of(request).allows(Role.AUTHOR, namespace)
    context = {
        "source": shown.record.source,
        "record": shown.record,
        "may_write": may_write,
        "start": {
            "namespace": namespace,
            "id": flow_id,
            "revision": shown.record.revision,
            "readonly": not may_write,
        },
    }
    return render(request, "flows/editor.html", context)


@page("POST")
def check(request: HttpRequest) -> HttpResponse:
    """What is wrong with a text and what will fail, by line and column, and its topology when nothing is wrong."""
    found = checked(request.body.decode("utf-8", "replace"))
    found.pop("flow", None)
    return JsonResponse(found)


def checked(source: str) -> Json:
    try:
        flow = catalog.check(source)
    except InvalidFlow as error:
        return {"errors": [_violation(violation) for violation in error.errors], "warnings": [], "tree": None}
    return {
        "errors": [],
        "warnings": [_violation(one) for one in expression_advice(read_document(source, catalog.max_bytes()), source)],
        "tree": topology.tree(flow),
        "flow": flow,
        "id": flow.id,
        "namespace": flow.namespace,
    }


def _violation(violation: Any) -> Json:
    return {
        "message": violation.message,
        "path": violation.path,
        "line": violation.line,
        "column": violation.column,
    }


@page("POST", role=Role.AUTHOR)
def save(request: HttpRequest) -> HttpResponse:
    """A new flow or a new revision; `?base=` is the revision that was edited, so that nobody overwrites another."""
    source = request.body.decode("utf-8", "replace")
    found = checked(source)
    if found["errors"]:
        first = found["errors"][0]
        where = f" (line {first['line']})" if first["line"] else ""
        return JsonResponse({"message": f"Not saved: {first['message']}{where}", **found}, status=422)
    flow: Flow = found.pop("flow")
    try:
        require(request, Role.AUTHOR, flow.namespace)
    except PermissionDenied as refused:
        return JsonResponse({"message": str(refused)}, status=403)
    try:
        record = _stored(request, flow, source)
    except _Conflict as conflict:
        return JsonResponse({"message": str(conflict)}, status=409)
    messages.success(request, f"Saved as revision {record.revision}.")
    return JsonResponse({"location": f"/flows/{record.namespace}/{record.flow_id}", "revision": record.revision})


class _Conflict(Exception):
    """Somebody else was there first."""


def _stored(request: HttpRequest, flow: Flow, source: str) -> Any:
    base = reading.revision_in(request, "base")
    if base is None:
        try:
            return catalog.create(source)
        except catalog.FlowExists:
            raise _Conflict(
                f"There is a flow {flow.id} in {flow.namespace} already: choose another id, or edit that one."
            ) from None
    edited = (request.GET.get("namespace"), request.GET.get("id"))
    if edited != (flow.namespace, flow.id):
        raise _Conflict("The id and the namespace of a flow cannot change: write a new flow instead.")
    try:
        with transaction.atomic():
            latest = catalog.hold(flow.namespace, flow.id)
            if latest.revision != base:
                raise _Conflict(
                    f"Somebody saved revision {latest.revision} in the meantime."
                    " Copy your text, reload, and put it in again."
                )
            return catalog.revise(flow.namespace, flow.id, source)
    except catalog.FlowNotFound:
        raise _Conflict("Somebody deleted this flow in the meantime: save your text as a new flow.") from None


@page()
def words(request: HttpRequest) -> HttpResponse:
    """What may be typed where: task types with their properties, for completion and for help under the cursor."""
    answer = HttpResponse(orjson.dumps(completion.words()), content_type="application/json")
    answer["Cache-Control"] = "private, max-age=300"
    return answer


@page()
def revisions(request: HttpRequest, namespace: str, flow_id: str) -> HttpResponse:
    shown = reading.flow_or_404(request, namespace, flow_id)
    rows = list(reversed(catalog.revisions(namespace, flow_id)))
    numbers = {row.revision: row for row in rows}
    after = reading.revision_in(request, "b") or shown.record.revision
    before = reading.revision_in(request, "a") or max((n for n in numbers if n < after), default=after)
    old, new = numbers.get(before), numbers.get(after)
    context = {
        "record": shown.record,
        "rows": rows,
        "a": before,
        "b": after,
        "lines": difference(old.source if old else "", new.source if new else "") if before != after else [],
        "may_write": access_of(request).allows(Role.AUTHOR, namespace),
    }
    return render(request, "flows/revisions.html", context)


def difference(old: str, new: str) -> list[Json]:
    """Lines with their numbers on both sides; long stretches without a change are left out."""
    lines: list[Json] = []
    before, after = old.splitlines(), new.splitlines()
    matcher = difflib.SequenceMatcher(a=before, b=after, autojunk=False)
    for group in matcher.get_grouped_opcodes(4):
        if lines:
            lines.append({"kind": "gap", "text": "⋯", "old": "", "new": ""})
        for kind, a1, a2, b1, b2 in group:
            if kind == "equal":
                lines += [
                    {"kind": "same", "text": text, "old": a1 + n + 1, "new": b1 + n + 1}
                    for n, text in enumerate(before[a1:a2])
                ]
                continue
            lines += [
                {"kind": "gone", "text": text, "old": a1 + n + 1, "new": ""} for n, text in enumerate(before[a1:a2])
            ]
            lines += [
                {"kind": "come", "text": text, "old": "", "new": b1 + n + 1} for n, text in enumerate(after[b1:b2])
            ]
    return lines


@page("POST", role=Role.AUTHOR)
def restore(request: HttpRequest, namespace: str, flow_id: str) -> HttpResponse:
    """An old text as a new revision."""
    require(request, Role.AUTHOR, namespace)
    number = request.POST.get("revision", "")
    shown = reading.flow_or_404(
        request, namespace, flow_id, Role.AUTHOR, int(number) if number.isdecimal() and len(number) < 10 else None
    )
    try:
        record = catalog.revise(namespace, flow_id, shown.record.source)
        messages.success(request, f"Revision {shown.record.revision} was saved again as revision {record.revision}.")
    except InvalidFlow as error:
        messages.error(request, f"Revision {shown.record.revision} is no longer valid: {error.errors[0].message}")
    except catalog.FlowNotFound:
        raise Http404("This flow was deleted: save the text as a new flow.") from None
    return redirect(f"/flows/{namespace}/{flow_id}/revisions")


@page("POST", role=Role.AUTHOR)
def switch(request: HttpRequest, namespace: str, flow_id: str, action: str) -> HttpResponse:
    """Enable, disable or delete a flow."""
    shown = reading.flow_or_404(request, namespace, flow_id, Role.AUTHOR)
    if action == "delete":
        catalog.delete(namespace, flow_id)
        messages.success(request, f"Flow {flow_id} was deleted. Its executions and revisions are kept.")
        return redirect("/flows")
    catalog.set_disabled(namespace, flow_id, action == "disable")
    messages.success(request, f"Flow {shown.record.flow_id} is {action}d.")
    return redirect(f"/flows/{namespace}/{flow_id}")
