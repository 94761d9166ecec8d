"""One execution's page and what its script reads: changes by version, log lines, one task run's detail."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import orjson
from django.contrib import messages
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.template.loader import render_to_string

from executions import database, evaluating
from executions.api.serialize import iso
from executions.ids import to_base62, to_uuid
from executions.models import ExecutionRecord, LogRecord, MetricRecord, Payload, TaskRunRecord, WorkerJob
from executions.pages import runs, waiting
from executions.pages.flows import SQL
from executions.pages.rights import execution_or_404
from flows import catalog
from flows.access import Role
from flows.api.streaming import StreamedAnswer
from flows.definition.errors import InvalidFlow
from flows.definition.states import TERMINAL
from flows.pages import topology
from flows.pages.rights import access_of, page

Json = dict[str, Any]
_ENDED = {state.value for state in TERMINAL}
_SHOWN_BYTES = 200_000


@page()
def show(request: HttpRequest, execution_id: str) -> HttpResponse:
    execution = execution_or_404(request, execution_id)
    tree = flow_tree(execution)
    first = runs.compact_runs(execution, limit=runs.FIRST)
    start = {
        **runs.compact_execution(execution),
        "id": execution_id,
        "states": runs.STATES,
        "levels": runs.LEVELS,
        "runs": first,
        "complete": len(first) < runs.FIRST,
        "tree": tree,
        "selected": _selected(request, execution),
        "line": _number(request, "line"),
        "attempt": _number(request, "attempt") if "attempt" in request.GET else None,
    }
    top = head_context(request, execution)
    context = {
        "execution": execution,
        "execution_id": execution_id,
        "start": start,
        "label_rows": [(label["key"], label["value"]) for label in top["labels"]],
        **top,
        **detail_context(execution),
        "child_count": ExecutionRecord.objects.filter(trigger_execution_id=execution.pk).count(),
    }
    return render(request, "executions/execution.html", context)


def _selected(request: HttpRequest, execution: ExecutionRecord) -> str | None:
    """The task run in the address; else a failed execution opens on the run that explains it."""
    wanted = request.GET.get("run")
    if wanted and runs.exists(execution, wanted):
        return wanted
    if wanted:
        messages.warning(
            request, "The task run of this address does not exist (any more): a restart may have replaced it."
        )
    failing = runs.failing_run(execution) if execution.state == "FAILED" else None
    return to_base62(failing.pk) if failing else None


def flow_tree(execution: ExecutionRecord) -> list[list[Any]]:
    """The task tree of the revision that runs; empty when that revision can no longer be read."""
    try:
        flow = catalog.find(execution.namespace, execution.flow_id, execution.flow_revision, allow_deleted=True)
    except Exception:  # a page about the past must open although the flow is gone or broken
        return []
    return topology.tree(flow)


def head_context(request: HttpRequest, execution: ExecutionRecord) -> Json:
    failing = runs.failing_run(execution) if execution.state in ("FAILED", "WARNING") else None
    may_act = access_of(request).allows(Role.OPERATOR, execution.namespace)
    return {
        "execution": execution,
        "execution_id": to_base62(execution.pk),
        "ended": execution.state in _ENDED,
        "labels": [label for label in execution.labels if not label["key"].startswith("system.")],
        "reasons": waiting.reasons(execution),
        "failing": failing,
        "failing_id": to_base62(failing.pk) if failing else "",
        "last_lines": runs.last_lines(failing) if failing else [],
        "may_act": may_act,
        "can": allowed_actions(execution.state) if may_act else set(),
        "may_evaluate": access_of(request).allows(Role.AUTHOR, execution.namespace),
    }


def allowed_actions(state: str) -> set[str]:
    """Which actions make sense now; the engine has the last word."""
    found = set()
    if state in _ENDED:
        found |= {"replay", "status", "labels", "delete"}
    elif state != "KILLING":
        found.add("kill")
    if state in ("FAILED", "KILLED", "WARNING", "CANCELLED", "PAUSED"):
        found.add("restart")
    if state == "RUNNING":
        found.add("pause")
    if state in ("PAUSED", "BREAKPOINT"):
        found.add("resume")
    if state == "QUEUED":
        found.add("unqueue")
    if state in ("CREATED", "QUEUED", "PAUSED"):
        found.add("force_run")
    return found


def detail_context(execution: ExecutionRecord) -> Json:
    return {
        "inputs": execution.inputs,
        "outputs": execution.outputs,
        "variables": execution.variables,
        "trigger": execution.trigger,
        "all_metrics": metrics_of(execution),
        "file_base": file_base(execution),
        "parent": to_base62(execution.parent_id) if execution.parent_id else None,
        "started_by": to_base62(execution.trigger_execution_id) if execution.trigger_execution_id else None,
    }


@page()
def changes(request: HttpRequest, execution_id: str) -> HttpResponse:
    """What a reader at version `since` lacks. The head comes as HTML when the state is no longer `state`.

    Many changed runs come in batches: `after` is the `seq` of the last one of the batch before.
    """
    execution = execution_or_404(request, execution_id)
    since = _number(request, "since")
    found: Json = runs.compact_execution(execution)
    if execution.trimmed > since:
        since = 0
        found["anew"] = True
    found["runs"] = runs.compact_runs(execution, since=since, after_seq=_number(request, "after"))
    found["complete"] = len(found["runs"]) < runs.BATCH
    if request.GET.get("state") != execution.state:
        found["head"] = render_to_string("executions/_head.html", head_context(request, execution), request)
    return _json(found)


@page()
def more_runs(request: HttpRequest, execution_id: str) -> HttpResponse:
    execution = execution_or_404(request, execution_id)
    found = runs.compact_runs(execution, after_seq=_number(request, "after"))
    return _json({"runs": found, "complete": len(found) < runs.BATCH})


@page()
def head(request: HttpRequest, execution_id: str) -> HttpResponse:
    execution = execution_or_404(request, execution_id)
    return render(request, "executions/_head.html", head_context(request, execution))


@page()
def log(request: HttpRequest, execution_id: str) -> HttpResponse:
    """Log lines after one id; of one task run if asked."""
    execution = execution_or_404(request, execution_id)
    run = _run_id(request.GET["run"]) if request.GET.get("run") else None
    lines = runs.compact_logs(execution, after=_number(request, "after"), run=run)
    return _json(
        {
            "lines": lines,
            "complete": len(lines) < runs.BATCH,
            "start": runs.compact_execution(execution)["start"],
        }
    )


@page()
def log_download(request: HttpRequest, execution_id: str) -> HttpResponseBase:
    execution = execution_or_404(request, execution_id)
    rows = LogRecord.objects.filter(execution_id=execution.pk).order_by("id")
    if request.GET.get("run"):
        rows = rows.filter(task_run_id=_run_id(request.GET["run"]))
    answer = StreamedAnswer(_log_text(rows), content_type="text/plain; charset=utf-8")
    answer["Content-Disposition"] = f'attachment; filename="{execution.flow_id}-{execution_id}.log"'
    return answer


def _log_text(rows: "QuerySet[LogRecord]") -> Iterator[bytes]:
    """By ranges of ids, each a query of its own: a slow reader holds nothing of the database."""
    after = 0
    while chunk := list(rows.filter(id__gt=after)[: runs.BATCH]):
        yield "".join(
            f"{iso(row.timestamp)} {runs.LEVELS[row.level]} {row.task_id or '-'} {row.message}\n" for row in chunk
        ).encode()
        after = chunk[-1].pk


@page()
def detail(request: HttpRequest, execution_id: str) -> HttpResponse:
    """The right-hand pane: the execution itself, or one task run."""
    execution = execution_or_404(request, execution_id)
    wanted = request.GET.get("run")
    if not wanted:
        context = {
            "execution": execution,
            "execution_id": execution_id,
            "may_evaluate": access_of(request).allows(Role.AUTHOR, execution.namespace),
            **detail_context(execution),
        }
        return render(request, "executions/_detail.html", context)
    run = TaskRunRecord.objects.filter(execution_id=execution.pk, pk=_run_id(wanted)).first()
    if run is None:
        raise Http404("This task run does not exist (any more): a restart may have replaced it.")
    return render(request, "executions/_run.html", run_context(request, execution, run))


def file_base(execution: ExecutionRecord) -> str:
    """Where a stored file of this execution is downloaded, but for the file's own address."""
    return f"/api/v1/main/executions/{to_base62(execution.pk)}/file?path="


@page()
def used(request: HttpRequest, execution_id: str) -> HttpResponse:
    """The templated properties of a run's task, rendered: what it was given."""
    execution_or_404(request, execution_id)
    run = request.GET.get("run", "")
    _run_id(run)
    try:
        found = evaluating.used_by(execution_id, run)
    except (evaluating.NoSuchRun, catalog.FlowNotFound, InvalidFlow) as error:
        raise Http404(str(error)) from None
    return render(request, "executions/_used.html", {"found": found})


@page("POST", role=Role.AUTHOR)
def evaluate(request: HttpRequest, execution_id: str) -> HttpResponse:
    """One expression, as the execution or one of its task runs sees it."""
    execution_or_404(request, execution_id, Role.AUTHOR)
    template = request.POST.get("expression", "")
    if "{{" not in template and "{%" not in template:
        template = f"{{{{ {template} }}}}"
    try:
        found = evaluating.evaluate(execution_id, template, request.POST.get("run") or None)
    except (evaluating.NoSuchRun, catalog.FlowNotFound, InvalidFlow) as error:
        raise Http404(str(error)) from None
    return render(request, "executions/_evaluated.html", {"found": found})


def metrics_of(execution: ExecutionRecord) -> list[Json]:
    """Each metric of the execution with a line of its last values, as points of an SVG of 320 by 72."""
    rows = database.current().execute(SQL["metrics_of"], {"id": execution.pk})
    return [_plotted(*row) for row in rows]


def _plotted(name: str, kind: str, count: int, total: float, low: float, high: float, values: list[float]) -> Json:
    drawn = values[-160:]
    step, height = 320 / max(1, len(drawn) - 1), (high - low) or 1
    tops = [round(64 - (value - low) / height * 56, 1) for value in drawn]
    points = " ".join(f"{number * step:.1f},{top}" for number, top in enumerate(tops))
    return {
        "name": name, "kind": kind, "count": count, "low": low, "high": high, "last": values[-1],
        "shown": values[-1] if kind == "gauge" else total,
        "values": len(drawn), "points": points if len(drawn) > 1 else "", "end": tops[-1],
    }  # fmt: skip


def run_context(request: HttpRequest, execution: ExecutionRecord, run: TaskRunRecord) -> Json:
    outputs = run.outputs
    if run.outputs_ref is not None:
        payload = Payload.objects.filter(pk=run.outputs_ref).first()
        outputs = payload.value if payload else outputs
    return {
        "execution": execution,
        "execution_id": to_base62(execution.pk),
        "run": run,
        "run_id": to_base62(run.pk),
        "task": _task(execution, run.task_id),
        "started": datetime.fromisoformat(run.histories[0][1]),
        "ended": datetime.fromisoformat(run.histories[-1][1]) if run.state in _ENDED else None,
        "attempts": [_attempt(number, attempt) for number, attempt in enumerate(run.attempts, 1)],
        "histories": [(state, datetime.fromisoformat(moment)) for state, moment in run.histories],
        "outputs": outputs,
        "file_base": file_base(execution),
        "metrics": list(
            MetricRecord.objects.filter(execution_id=execution.pk, task_run_id=run.pk).order_by("id")[:200]
        ),
        "job": WorkerJob.objects.filter(execution_id=execution.pk, task_run_id=run.pk).first(),
        "subflow": _subflow(run, outputs),
        "may_act": access_of(request).allows(Role.OPERATOR, execution.namespace),
        "may_evaluate": access_of(request).allows(Role.AUTHOR, execution.namespace),
        "execution_ended": execution.state in _ENDED,
        "now": datetime.now(UTC),
    }


def _attempt(number: int, attempt: Json) -> Json:
    times = {state: datetime.fromisoformat(moment) for state, moment in attempt["histories"]}
    moments = [datetime.fromisoformat(moment) for _, moment in attempt["histories"]]
    ended = moments[-1] if attempt["state"] in _ENDED else None
    running = times.get("RUNNING")
    return {
        "number": number,
        "state": attempt["state"],
        "created": moments[0],
        "running": running,
        "ended": ended,
        "waited": (running - moments[0]) if running else None,
        "worker": attempt.get("worker"),
        "lost": attempt.get("lost"),
    }


def _subflow(run: TaskRunRecord, outputs: Any) -> str | None:
    """The execution that a Subflow started."""
    found = outputs.get("executionId") if isinstance(outputs, dict) else None
    return found if isinstance(found, str) else None


def _task(execution: ExecutionRecord, task_id: str) -> Json | None:
    try:
        flow = catalog.find(execution.namespace, execution.flow_id, execution.flow_revision, allow_deleted=True)
    except Exception:  # see flow_tree
        return None
    place = flow.task_index.get(task_id)
    if place is None:
        return None
    return {"type": place.task.type, "description": place.task.description}


@page()
def kestra_address(request: HttpRequest, execution_id: str, **_: str) -> HttpResponse:
    """`/ui/executions/<ns>/<flow>/<id>`, as Kestra's own links look."""
    return redirect("execution", execution_id=execution_id)


def _run_id(text: str) -> Any:
    try:
        return to_uuid(text)
    except ValueError:
        raise Http404("This is no task run's id.") from None


def _number(request: HttpRequest, name: str) -> int:
    try:
        return max(0, min(int(request.GET.get(name, "0")), 1 << 62))
    except ValueError:
        return 0


def _json(value: Any) -> HttpResponse:
    return HttpResponse(orjson.dumps(value), content_type="application/json", headers={"Cache-Control": "no-store"})
