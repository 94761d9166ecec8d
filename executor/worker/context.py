"""What a runnable task sees of the world: its scope, rendering, logs, files (flows.tasks.base.RunContext)."""

import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from executions import store
from executions.expressions import SiteServices, place_of, readable_folders
from executions.storage.base import StorageError, cache_prefix, path_of, task_prefix, uri_of
from executions.transitions.outputs import scope_from_context
from executor.worker import inside
from executor.worker.attempt import Attempt
from executor.worker.reached import ReachedStorage
from executor.worker.tools import Tools
from flows.definition.states import State
from flows.expressions import taint
from flows.expressions.render import Scope, render, render_typed, render_value
from flows.tasks.base import RunnableTask

Json = Any
# A shorter secret would turn every other word of the logs into stars.
SHORTEST_SECRET = 3


class Context:
    """Implements RunContext. `children` are task runs that the task made itself."""

    def __init__(
        self,
        roots: dict[str, Json],
        task: RunnableTask,
        attempt: Attempt,
        tools: Tools,
        directory: Path | None = None,
    ) -> None:
        self.roots, self.task, self._attempt, self._tools = roots, task, attempt, tools
        self.execution_id: str = roots["execution"]["id"]
        self.namespace: str = roots["flow"]["namespace"]
        self.flow_id: str = roots["flow"]["id"]
        self.task_run_id = attempt.run_id
        self.attempt = attempt.number + 1
        self.children: list[dict[str, Json]] = []
        earlier = [roots["execution"].get(name) for name in ("parentId", "originalId")]
        place = place_of(
            self.namespace, self.flow_id, self.execution_id, roots.get("trigger"), [one for one in earlier if one]
        )
        self._place = place
        self._services = SiteServices(tools.database, place)
        self._storage: ReachedStorage | None = None
        self._extra = tools.surroundings
        self._scope: Scope = scope_from_context(roots, self._fetch, self._extra)
        self._secrets: set[str] = set()
        self._directory = directory
        self._is_own_directory = directory is None
        attempt.mask, attempt.guard = self.masked, self.guarded

    # Rendering.

    def render(self, value: Any, extra: Mapping[str, Json] | None = None) -> Any:
        scope = self._scope_with(extra)
        if isinstance(value, str):
            return self._noted(render(value, scope, self._services))
        return self._noted(render_value(value, scope, self._services))

    def render_typed(self, value: Any, extra: Mapping[str, Json] | None = None) -> Any:
        scope = self._scope_with(extra)
        if isinstance(value, str):
            return self._noted(render_typed(value, scope, self._services))
        return self._noted(render_value(value, scope, self._services, typed=True))

    def _scope_with(self, extra: Mapping[str, Json] | None) -> Scope:
        if not extra:
            return self._scope
        return scope_from_context(self.roots, self._fetch, {**self._extra, **extra})

    def _fetch(self, kind: str, name: str) -> object:
        return self._tools.left_out(self.roots, kind, name)

    def _noted(self, value: Any) -> Any:
        if taint.is_tainted(value):
            self._secrets.update(text for text in taint.secrets_in(value) if len(text) >= SHORTEST_SECRET)
        return value

    def masked(self, text: str) -> str:
        """A text as it may be shown: without any secret that this task has seen."""
        if isinstance(text, taint.Tainted):
            text = taint.mask(text)
        for secret in sorted(self._secrets, key=len, reverse=True):
            text = text.replace(secret, taint.MASK)
        return text

    def guarded(self, outputs: Json) -> Json:
        """Outputs as they may be stored: what holds a secret that this task has seen is marked, and will be sealed."""
        return taint.marked(outputs, self._secrets)

    # Logs and metrics.

    def log(self, level: str, message: str) -> None:
        self._attempt.log(level, message)

    def metric(self, name: str, value: float, kind: str = "counter", tags: Mapping[str, str] | None = None) -> None:
        self._attempt.metric(name, value, kind, tags)

    def drain_logs(self) -> tuple[list[dict[str, Json]], list[dict[str, Json]]]:
        """The lines and metrics not handed out yet."""
        return self._attempt.drain()

    # Files and services.

    @property
    def working_directory(self) -> Path:
        if self._directory is None:
            self._directory = self._tools.workspace.new(self.task_run_id)
        return self._directory

    def upload(self, source: Path | bytes | Any, name: str) -> str:
        """A file of this task run in the internal storage; its address."""
        prefix = task_prefix(self.namespace, self.flow_id, self.execution_id, self.task.id, self.task_run_id)
        return str(self.storage.put(path_of(f"{prefix}/{name.lstrip('/')}"), source))

    def download(self, uri: str, target: Path) -> Path:
        """A file of the internal storage as a local one, inside the working directory."""
        if not target.resolve().is_relative_to(self.working_directory.resolve()):
            raise StorageError(f"Not inside the working directory: {target.name}")
        self.storage.copy_to(uri, target)
        return target

    def cache_address(self, name: str) -> str:
        """Where this task keeps a file from one execution of its flow to the next."""
        return uri_of(f"{cache_prefix(self.namespace, self.flow_id, self.task.id)}/{name}")

    # Other tasks and executions.

    def run_inside(self, task: RunnableTask) -> State:
        """Run another task in this one's working directory, as a task run of its own below this one; how it ended."""
        return inside.run(task, self, self._attempt, self._tools)

    def add_outputs(self, task_id: str, outputs: Json) -> None:
        """For the tasks after it: where templates look for outputs of a task at this place."""
        path: list[str] = [task_id, *self.roots.get("path", ())]
        found = self.roots.setdefault("outputs", {})
        for name in path[:-1]:
            found = found.setdefault(name, {})
        found[path[-1]] = outputs

    def run_as(self, task: RunnableTask) -> dict[str, Json] | None:
        """Run another task in the place of this one; its outputs. Raises what it raises."""
        return inside.run_as(task, self, self._attempt, self._tools)

    def inner(self, roots: dict[str, Json], task: RunnableTask, attempt: Attempt) -> "Context":
        """For a task inside this one: the same folder, and secrets that one has seen are masked in the logs of both."""
        made = Context(roots, task, attempt, self._tools, self.working_directory)
        made._secrets = self._secrets
        return made

    def outputs_of_children(self, task_id: str) -> tuple[Mapping[str, Json], Sequence[tuple[int, Mapping[str, Json]]]]:
        """Of a task beside this one: its own outputs, and those of the executions that it has started, by iteration."""
        with self._tools.database() as connection:
            parent = self.roots["taskrun"].get("parentId")
            return store.outputs_of_children(connection, self.execution_id, task_id, parent)

    def run_process(
        self,
        command: Sequence[str],
        environment: Mapping[str, str],
        on_line: Callable[[str, str], None],
        directory: Path | None = None,
        *,
        as_worker: bool = False,
    ) -> int:
        """Run a program in the working directory; `on_line` gets ("out" or "err", line). Its exit code."""
        folder = directory or self.working_directory
        return self._tools.processes.run(command, folder, environment, self._attempt, on_line, as_worker=as_worker)

    @property
    def storage(self) -> Any:
        if self._storage is None:
            folders = readable_folders(self._place)
            self._storage = ReachedStorage(self._tools.storage, self._tools.database, self.namespace, folders)
        return self._storage

    @property
    def platform(self) -> Any:
        return self._tools.platform(self.namespace)

    def is_killed(self) -> bool:
        return self._attempt.stopped

    def on_kill(self, stop: Callable[[], None]) -> None:
        self._attempt.on_stop(stop)

    def close(self) -> None:
        if self._directory is not None and self._is_own_directory:
            shutil.rmtree(self._directory, ignore_errors=True)
