"""Looking into one execution: its graph, and an expression evaluated in its context. Nothing is changed."""

from collections.abc import Sequence
from typing import Any

from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from executions import database, evaluating, store
from executions.api import reading
from executions.api.executions import visible
from executions.api.filters import parse_execution_id
from executions.api.serialize import task_run_json
from executions.state import Execution, TaskRun
from executions.transitions.outputs import value_path
from flows import catalog
from flows.access import Access, Role
from flows.api.errors import NotFound
from flows.api.reading import access_of
from flows.api.topology import expanded_of, subflow_of
from flows.definition.graph import Run, Subflow, flow_graph
from flows.definition.model import Flow
from flows.tasks.base import Task


class GraphView(APIView):
    """GET /executions/{id}/graph: the flow's graph with the runs that there are."""

    def get(self, request: Request, execution_id: str, **_: Any) -> Response:
        record = reading.record_of(access_of(request), execution_id)
        execution, flow = _loaded(execution_id)
        assert record.namespace == execution.namespace

        def find(task: Task, run: Run | None) -> Subflow:
            return _subflow(access_of(request), task, run)

        graph = flow_graph(flow, runs=RunsOf(execution), expanded=expanded_of(request), find_subflow=find)
        return Response(graph)


def _loaded(execution_id: str) -> tuple[Execution, Flow]:
    execution = store.load(database.current(), execution_id)
    if execution is None:
        raise NotFound(f"execution {execution_id[:60]}")
    return execution, catalog.find(execution.namespace, execution.flow_id, execution.flow_revision, allow_deleted=True)


class RunsOf:
    """The task runs of an execution as a graph draws them (flows.definition.graph.Runs)."""

    def __init__(self, execution: Execution) -> None:
        self.execution = execution

    def of(self, task_id: str, parent_id: str | None) -> Sequence[Run]:
        ids = [run_id for ids in self.execution.by_task.get(task_id, {}).values() for run_id in ids]
        runs = [self.execution.runs[run_id] for run_id in ids]
        below = sorted((run for run in runs if run.parent_id == parent_id), key=lambda run: run.seq)
        return [self._shown(run) for run in below]

    def _shown(self, run: TaskRun) -> Run:
        """Outputs are for the outputs page: a graph stays small."""
        shown = {key: value for key, value in task_run_json(self.execution, run).items() if key != "outputs"}
        shown["outputs"] = {key: value for key, value in (run.outputs or {}).items() if key == "executionId"}
        if not shown["outputs"]:
            del shown["outputs"]
        return Run(run.id, run.value, tuple(value_path(self.execution, run)), shown)


def _subflow(access: Access, task: Task, run: Run | None) -> Subflow:
    """What the run has started, where it has; else the flow that the task names."""
    child_id = (run.shown.get("outputs") or {}).get("executionId") if run is not None else None
    uuid = parse_execution_id(str(child_id)) if child_id else None
    if uuid is not None and visible(access).filter(pk=uuid).exists():
        child, flow = _loaded(str(child_id))
        return Subflow(flow, RunsOf(child))
    return Subflow(subflow_of(access, task))


class EvalView(APIView):
    """POST /executions/{id}/eval[/{taskRunId}]: the text of an expression, secrets masked; or why there is none."""

    roles = {"POST": Role.AUTHOR}

    def post(self, request: Request, execution_id: str, task_run_id: str | None = None, **_: Any) -> Response:
        reading.record_of(access_of(request), execution_id, Role.AUTHOR)
        template = request.body.decode("utf-8", "replace")
        found = evaluating.evaluate(execution_id, template, task_run_id, as_text=True)
        if found.error is not None:
            return Response({"error": found.error, "stackTrace": found.error})
        return Response({"result": found.value})
