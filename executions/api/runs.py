"""Task runs of all executions as one list, and the slots that concurrency limits hold."""

from typing import Any

from django.db.models import Count, Q
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from executions.api import filters, forms, reading
from executions.api.executions import selected
from executions.models import ConcurrencySlot, TaskRunRecord
from flows import catalog
from flows.access import Role
from flows.api import paging
from flows.api.errors import Conflict, Unprocessable
from flows.api.reading import access_of

MOST_LISTED = 2_000


class TaskRunSearchView(APIView):
    """GET /taskruns/search: task runs of the executions that the same search would find; `state` is theirs."""

    def get(self, request: Request, **_: Any) -> Response:
        query = request.query_params.copy()
        states = [filters.parse_state(text) for text in query.pop("state", []) if text]
        executions = selected(access_of(request), query).order_by()
        rows = TaskRunRecord.objects.filter(execution_id__in=executions.values("id"))
        if states:
            rows = rows.filter(state__in=states)
        sort = {"id": "id", "taskId": "task_id", "state.current": "state"}
        rows = rows.order_by(*paging.ordering(query, sort, ("-execution_id", "-seq")))
        return Response(paging.page_of(rows.values_list("id", flat=True), query, reading.runs_of))


class TaskRunLimitView(APIView):
    """GET /taskruns/maxTaskRunSetting"""

    def get(self, request: Request, **_: Any) -> Response:
        return Response(MOST_LISTED)


class ConcurrencySearchView(APIView):
    """GET /concurrency-limit/search: how many executions of each flow with a limit run now."""

    def get(self, request: Request, **_: Any) -> Response:
        rows = access_of(request).filter(ConcurrencySlot.objects.all())
        running = Count("execution_id", filter=Q(running=True))
        found = rows.order_by("namespace", "flow_id").values("namespace", "flow_id").annotate(count=running)
        return Response(
            paging.page_of_list(
                [
                    {
                        "tenantId": "main",
                        "namespace": row["namespace"],
                        "flowId": row["flow_id"],
                        "running": row["count"],
                    }
                    for row in found
                ],
                request.query_params,
            )
        )


class ConcurrencyView(APIView):
    """PUT /concurrency-limit/{namespace}/{flowId}: Kestra's way to mend a count that leaked; ours is never stored."""

    roles = {"PUT": Role.OPERATOR}

    def put(self, request: Request, namespace: str, flow_id: str, **_: Any) -> Response:
        catalog.record(namespace, flow_id)
        body = forms.json_body(request.body)
        wanted = body.get("running") if isinstance(body, dict) else None
        if not isinstance(wanted, int) or isinstance(wanted, bool):
            raise Unprocessable("Invalid entity: running must be a number")
        running = ConcurrencySlot.objects.filter(namespace=namespace, flow_id=flow_id, running=True).count()
        if wanted != running:
            raise Conflict(f"Illegal state: {running} executions run; they are counted, the number cannot be set")
        return Response({"tenantId": "main", "namespace": namespace, "flowId": flow_id, "running": running})
