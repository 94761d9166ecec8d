"""Routes that draw: the graph of one flow (stored or just written), and which flows start which others."""

from typing import Any

from rest_framework.request import Request
from rest_framework.response import Response

from flows import catalog
from flows.access import Access, Role
from flows.api import bodies, reading
from flows.api.base import FlowView
from flows.definition import topology
from flows.definition.errors import InvalidFlow
from flows.definition.graph import Run, Subflow, flow_graph
from flows.definition.model import Flow
from flows.tasks.base import Task


def expanded_of(request: Request) -> list[str]:
    """`subflows=`, repeated or separated by commas."""
    return [uid for text in request.query_params.getlist("subflows") for uid in text.split(",") if uid]


def subflow_of(access: Access, task: Task) -> Flow:
    """The latest flow that a task names without a template. Raises FlowNotFound, also for what may not be seen."""
    namespace, flow_id = str(getattr(task, "namespace", "")), str(getattr(task, "flow_id", ""))
    if not access.allows(Role.VIEWER, namespace):
        raise catalog.FlowNotFound(namespace, flow_id)
    return catalog.find(namespace, flow_id, getattr(task, "revision", None))


class GraphView(FlowView):
    """GET /flows/{namespace}/{id}/graph"""

    def get(self, request: Request, namespace: str, flow_id: str, **_: Any) -> Response:
        flow = catalog.find(namespace, flow_id, reading.revision_of(request))
        return _graph(request, flow)


class GraphOfSourceView(FlowView):
    """POST /flows/graph: of a text that is not stored."""

    roles = {"POST": Role.VIEWER}

    def post(self, request: Request, **_: Any) -> Response:
        return _graph(request, catalog.check(bodies.source_of(request)))


def _graph(request: Request, flow: Flow) -> Response:
    access = reading.access_of(request)

    def find(task: Task, run: Run | None) -> Subflow:
        return Subflow(subflow_of(access, task))

    return Response(flow_graph(flow, expanded=expanded_of(request), find_subflow=find))


class DependenciesView(FlowView):
    """GET /flows/{namespace}/{id}/dependencies"""

    def get(self, request: Request, namespace: str, flow_id: str, **_: Any) -> Response:
        start = (namespace, flow_id)
        catalog.record(namespace, flow_id)
        found = topology.around(
            topology.dependencies(_visible_flows(request)),
            start,
            destination_only=reading.switch(request, "destinationOnly"),
            all_of_them=reading.switch(request, "expandAll"),
        )
        return Response(_topology_json([start], found))


class NamespaceDependenciesView(FlowView):
    """GET /namespaces/{namespace}/dependencies: of all its flows."""

    def get(self, request: Request, namespace: str, **_: Any) -> Response:
        flows = _visible_flows(request)
        starts = [(flow.namespace, flow.id) for flow in flows if flow.namespace == namespace]
        every = topology.dependencies(flows)
        destination_only = reading.switch(request, "destinationOnly")
        found = [
            one
            for start in starts
            for one in topology.around(every, start, destination_only=destination_only, all_of_them=False)
        ]
        return Response(_topology_json(starts, list(dict.fromkeys(found))))


def _visible_flows(request: Request) -> list[Flow]:
    found = []
    for row in reading.visible(request).order_by("namespace", "flow_id"):
        try:
            found.append(catalog.parsed(row))
        except InvalidFlow:
            continue
    return found


def _topology_json(starts: list[topology.Name], found: list[topology.Dependency]) -> dict[str, Any]:
    names = dict.fromkeys([*starts, *(end for one in found for end in (one.source, one.target))])
    return {
        "nodes": [{"uid": _uid(name), "namespace": name[0], "id": name[1]} for name in names],
        "edges": [{"source": _uid(one.source), "target": _uid(one.target), "relation": one.relation} for one in found],
    }


def _uid(name: topology.Name) -> str:
    return f"{name[0]}_{name[1]}"
