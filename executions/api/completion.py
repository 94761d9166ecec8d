"""What the expressions of a flow may name, for editors; the text need not be stored."""

from collections.abc import Iterator
from itertools import islice
from typing import Any

from django.conf import settings
from rest_framework.request import Request
from rest_framework.response import Response

from executions import database
from executions.api import secrets
from executions.storage import kv
from executions.storage.base import files_prefix, uri_of
from executions.storage.secrets import chain
from executions.storage.site import current as storage
from flows import catalog
from flows.access import EVERYWHERE, Access, Role
from flows.api import bodies, reading
from flows.api.base import FlowView
from flows.api.errors import NotFound
from flows.definition.graph import flow_graph
from flows.definition.model import Flow
from flows.expressions.filters.table import FILTERS
from flows.expressions.functions import FUNCTIONS
from flows.expressions.services import SERVICE_FUNCTIONS

_MOST_FILES = 1_000
_ALWAYS = "flow.id flow.namespace flow.revision flow.tenantId execution.id execution.startDate execution.originalId"
_OF_TASKS = (
    "execution.state task.id task.type taskrun.id taskrun.startDate taskrun.attemptsCount taskrun.parentId"
    " taskrun.value taskrun.iteration parent parents tasks"
)


class ExpressionsView(FlowView):
    """POST /flows/expressions?taskId= (2.0): by category; with `taskId` only outputs of tasks that run before it."""

    roles = {"POST": Role.AUTHOR}

    def post(self, request: Request, **_: Any) -> Response:
        flow, task_id = catalog.check(bodies.source_of(request)), request.query_params.get("taskId")
        reading.authorize(request, Role.AUTHOR, flow.namespace)
        if task_id and task_id not in flow.task_index:
            raise NotFound(f"Unable to find task {task_id[:100]}")
        access = reading.access_of(request)
        found = {
            "taskOutputs": [f"outputs.{name}" for name in (_before(flow, task_id) if task_id else flow.task_index)],
            "executionContext": _context(flow),
            "inputs": [f"inputs.{one.id}" for one in flow.inputs],
            "variables": [f"vars.{name}" for name in flow.variables],
            "secrets": [f"secret('{name}')" for name in _secrets(access, flow.namespace)],
            "kvPairs": [f"kv('{name}')" for name in _pairs(access, flow.namespace)],
            "namespaceFiles": [f"read('{name}')" for name in _files(flow.namespace)],
            "filters": list(FILTERS),
            "functions": [f"{name}()" for name in {*FUNCTIONS, *SERVICE_FUNCTIONS}],
        }
        return Response({"categories": {name: sorted(values) for name, values in found.items()}})


def _context(flow: Flow) -> list[str]:
    found = [*_ALWAYS.split(), *_OF_TASKS.split(), *(["trigger"] if flow.triggers else [])]
    found += [f"labels.{label['key']}" for label in flow.labels]
    found += [f"envs.{name}" for name in settings.CELESTA.envs]
    return found + [f"globals.{name}" for name in settings.CELESTA.globals]


def _before(flow: Flow, task_id: str) -> set[str]:
    """Tasks on the ways that lead to a task; handlers of errors only for one that is itself such a handler."""
    graph = flow_graph(flow)
    tasks = {node["uid"]: node["task"]["id"] for node in graph["nodes"] if node.get("task")}
    edges = [(edge["source"], edge["target"]) for edge in graph["edges"]]
    handled = {edge["target"] for edge in graph["edges"] if edge["relation"].get("relationType") == "ERROR"}
    places = {uid.removesuffix(".-start").rpartition(".")[0] for uid in handled}
    ends = {f"{place}.{end}" for place in places for end in ("-end", "-finally")}
    handlers = _reached(handled, [pair for pair in edges if pair[1] not in ends])
    own = {uid for uid, name in tasks.items() if name == task_id}
    if not own & handlers:
        edges = [pair for pair in edges if pair[0] not in handlers]
    return {tasks[uid] for uid in _reached(own, [(after, before) for before, after in edges]) - own if uid in tasks}


def _reached(start: set[str], edges: list[tuple[str, str]]) -> set[str]:
    """These, and all that edges lead to from them."""
    following: dict[str, list[str]] = {}
    for source, target in edges:
        following.setdefault(source, []).append(target)
    found, waiting = set(start), list(start)
    while waiting:
        new = set(following.get(waiting.pop(), ())) - found
        found |= new
        waiting += new
    return found


def _secrets(access: Access, namespace: str) -> set[str]:
    found = {key for keys in secrets.readable_keys(access, namespace).values() for key in keys}
    return found | set(settings.CELESTA.secrets) if access.allows(Role.ADMIN, EVERYWHERE) else found


def _pairs(access: Access, namespace: str) -> set[str]:
    names = [name for name in chain(namespace) if access.allows(Role.VIEWER, name)]
    return {pair.key for name in names for pair in kv.pairs(database.current(), name)}


def _files(namespace: str) -> Iterator[str]:
    found = storage().entries(uri_of(files_prefix(namespace)), recursive=True)
    names = (facts.path.removeprefix(f"{files_prefix(namespace)}/") for facts in found if not facts.is_folder)
    return islice(names, _MOST_FILES)
