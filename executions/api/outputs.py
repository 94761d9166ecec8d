"""2.0's routes of outputs: of an execution, of its task runs. Older dialects show the same inside the execution."""

from typing import Any

from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from executions.api import reading
from executions.api.filters import parse_execution_id
from executions.models import TaskRunRecord
from flows.api.errors import NotFound
from flows.api.reading import access_of


class ExecutionOutputsView(APIView):
    """GET /outputs/executions/{id}"""

    def get(self, request: Request, execution_id: str, **_: Any) -> Response:
        return Response(reading.record_of(access_of(request), execution_id).outputs or {})


class TaskOutputsView(APIView):
    """GET /outputs/tasks/{id}: which task runs have outputs."""

    def get(self, request: Request, execution_id: str, **_: Any) -> Response:
        record = reading.record_of(access_of(request), execution_id)
        rows = TaskRunRecord.objects.filter(execution_id=record.pk).order_by("seq")
        rows = rows.exclude(outputs=None, outputs_ref=None)
        return Response([_information(row) for row in rows.only("id", "task_id", "value", "iteration", "outputs_ref")])


def _information(row: TaskRunRecord) -> dict[str, Any]:
    found = {
        "taskId": row.task_id,
        "taskRunId": reading.ids_of([row.pk])[0],
        "value": row.value,
        "iteration": row.iteration,
        "inline": row.outputs_ref is None,
    }
    return {key: value for key, value in found.items() if value is not None}


class TaskRunOutputsView(APIView):
    """GET /outputs/tasks/{id}/{taskRunId}"""

    def get(self, request: Request, execution_id: str, task_run_id: str, **_: Any) -> Response:
        record = reading.record_of(access_of(request), execution_id)
        uuid = parse_execution_id(task_run_id)
        known = uuid is not None and TaskRunRecord.objects.filter(execution_id=record.pk, pk=uuid).exists()
        for run in reading.runs_of([uuid]) if known else ():
            return Response(run.get("outputs", {}))
        raise NotFound(f"task run {task_run_id[:60]}")
