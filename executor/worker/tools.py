"""What tasks of one worker process share: the catalog, the database for reading, the storage, killable children."""

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TypeVar

from django.conf import settings

from executions import store
from executions.storage import site as storage_site
from executions.transitions.outputs import outputs_of_task, states_of_task
from executor.connections import LOST, is_lost
from executor.worker.child import Children
from executor.worker.connect import Reconnecting
from executor.worker.platform import Platform
from executor.worker.processes import Processes
from executor.worker.programs import Programs
from executor.worker.workspace import Workspace
from flows import catalog
from flows.definition.model import Flow
from flows.expressions.output import settled
from flows.expressions.render import UNDEFINED
from flows.tasks.base import RunnableTask

Json = Any
Answer = TypeVar("Answer")
PATIENCE = 60.0  # seconds that a task waits for a database that is away


class Tools:
    """Thread-safe. One connection for the few things that running tasks read; a task that does much SQL is rare."""

    def __init__(self) -> None:
        self.storage = storage_site.current()
        self.workspace = Workspace()
        self.processes = Processes(Programs(self.workspace))
        self.children = Children(self.processes)
        # Variables that are the same for every task.
        self.surroundings: dict[str, Json] = {
            "envs": dict(settings.CELESTA.envs),
            "globals": dict(settings.CELESTA.globals),
        }
        self._connection = Reconnecting("worker tasks")
        self._lock = threading.Lock()
        self._platforms: dict[str, Platform] = {}
        # Looked at before the catalog's own cache: no lock, no connection on the way of a tiny task.
        self._flows: dict[tuple[str, str, int], Flow] = {}

    def task(self, payload: Mapping[str, Json]) -> RunnableTask:
        """The model of the job's task. Raises FlowNotFound, LookupError, InvalidFlow."""
        context = payload["context"]
        flow, task_id = context["flow"], context["taskrun"]["taskId"]
        key = flow["namespace"], flow["id"], flow["revision"]
        found = self._flows.get(key)
        if found is None:
            found = self._read(lambda connection: catalog.load(connection, *key))
            if len(self._flows) > 1000:
                self._flows.clear()
            if not found.uses_templates:
                self._flows[key] = found
        place = found.task_index.get(task_id)
        if place is None:
            raise LookupError(f"revision {flow['revision']} of the flow has no task `{task_id}`")
        if not isinstance(place.task, RunnableTask):
            raise LookupError(f"task `{task_id}` of type {place.task.type} is not one that a worker runs")
        return place.task

    def platform(self, namespace: str) -> Platform:
        found = self._platforms.get(namespace)
        if found is None:
            if len(self._platforms) > 1000:
                self._platforms.clear()
            found = self._platforms[namespace] = Platform(self.database, self.storage, namespace)
        return found

    def left_out(self, context: Mapping[str, Json], kind: str, name: str) -> object:
        """An input, a task's outputs or its states in a loop, too large to travel with the job."""
        reference = context["flow"]

        def find(connection: Any) -> object:
            execution = store.load(connection, context["execution"]["id"])
            if execution is None:
                return UNDEFINED
            if kind == "inputs":
                return execution.inputs.get(name, UNDEFINED)
            if kind == "tasks":
                return states_of_task(execution, name)
            flow = catalog.load(connection, reference["namespace"], reference["id"], reference["revision"])

            def payload(_: str, arguments: dict[str, object]) -> object:
                number = int(str(arguments["id"]))
                return store.fetch_payloads(connection, [number]).get(number, UNDEFINED)

            return settled(outputs_of_task(flow, execution, name, payload))

        return self._read(find)

    def _read(self, question: Callable[[Any], Answer]) -> Answer:
        """Asked once more when the connection breaks under it."""
        for last in (False, True):
            try:
                with self.database() as connection:
                    return question(connection)
            except LOST as error:
                if last or not is_lost(error):
                    raise
        raise AssertionError("unreachable")

    @contextmanager
    def database(self) -> Iterator[Any]:
        """Autocommit; for `with connection.transaction()` too. One user at a time. A restart of the database in
        between fails no task: it is waited for."""
        with self._lock:
            try:
                yield self._connection.alive(PATIENCE)
            except LOST:
                self._connection.lost()
                raise

    def close(self) -> None:
        self._connection.close()
        self.children.close()
        self.processes.close()
        self.workspace.close()
