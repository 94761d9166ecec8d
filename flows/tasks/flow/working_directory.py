"""WorkingDirectory: tasks that share one folder, run one after the other inside a single job of a worker."""

import zipfile
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any, ClassVar, Self

from pydantic import BeforeValidator, Field, model_validator

from flows.definition.durations import Duration
from flows.definition.states import State
from flows.definition.strict import Strict
from flows.tasks.base import AnyTask, Isolation, Json, RunContext, RunnableTask, Task, TaskFailure, enabled
from flows.tasks.scripts.files import (
    NamespaceFiles,
    collect_output_files,
    fits,
    glob_pattern,
    inside,
    lay_namespace_files,
    write_input_files,
)

_BAD = (State.FAILED, State.KILLED, State.CANCELLED)
_ARCHIVE = "cache.zip"


def _no_list(value: Any) -> Any:
    return () if value is None else value


Tasks = Annotated[tuple[AnyTask, ...], BeforeValidator(_no_list)]


class Cache(Strict):
    """Files kept from one execution to the next."""

    ttl: Duration | None = None
    patterns: tuple[str, ...] = Field(min_length=1)


class WorkingDirectory(RunnableTask):
    aliases = ("io.kestra.core.tasks.flows.WorkingDirectory", "io.kestra.core.tasks.flows.Worker")
    isolation: ClassVar[Isolation] = Isolation.THREAD

    tasks: Tasks = ()
    errors: Tasks = ()
    finally_: Tasks = Field(default=(), alias="finally")
    cache: Cache | None = None
    namespace_files: NamespaceFiles | None = None
    input_files: Any = None
    output_files: Any = None

    @model_validator(mode="after")
    def _has_runnable_tasks(self) -> Self:
        if not self.tasks:
            raise ValueError("The 'tasks' property cannot be empty")
        if not all(isinstance(task, RunnableTask) and not isinstance(task, WorkingDirectory) for task in self.tasks):
            raise ValueError("Only runnable tasks are allowed as children of a WorkingDirectory task")
        if any(task.worker_group is not None for task in self.tasks):
            raise ValueError(
                "Cannot set a Worker Group in any WorkingDirectory sub-tasks, "
                "it is only supported at the WorkingDirectory level"
            )
        return self

    def branches(self) -> Iterator[tuple[str, Sequence[Task]]]:
        yield "tasks", self.tasks
        yield "errors", self.errors
        yield "finally", self.finally_

    def error_tasks(self) -> Sequence[Task]:
        return self.errors

    def finally_tasks(self) -> Sequence[Task]:
        return self.finally_

    def run(self, context: RunContext) -> dict[str, Json] | None:
        kept = None if self.cache is None else CachedFiles(context, self.cache)
        if kept is not None:
            kept.fetch()
        lay_namespace_files(context, self.namespace_files)
        write_input_files(context, self.input_files)
        worst = self._run_tasks(context)
        if kept is not None:
            kept.keep()
        outputs = self._outputs(context)
        if worst is State.WARNING:
            raise TaskFailure("", outputs, State.WARNING)
        return outputs

    def _run_tasks(self, context: RunContext) -> State:
        worst = State.SUCCESS
        for task in enabled(self.tasks):
            assert isinstance(task, RunnableTask)
            state = context.run_inside(task)
            if state in _BAD:
                raise TaskFailure("", None, state)
            worst = State.WARNING if state is State.WARNING else worst
        return worst

    def _outputs(self, context: RunContext) -> dict[str, Json] | None:
        if not self.output_files:
            return None
        patterns = context.render_typed(self.output_files)
        patterns = [patterns] if isinstance(patterns, str) else [str(pattern) for pattern in patterns or ()]
        return {"outputFiles": collect_output_files(context, patterns, context.working_directory)}


class CachedFiles:
    """An archive in the internal storage, next to the flow's files; a stale one is as good as none."""

    def __init__(self, context: RunContext, cache: Cache) -> None:
        self._context, self._cache = context, cache
        self._patterns = [glob_pattern(context.render(pattern)) for pattern in cache.patterns]
        self._uri = context.cache_address(_ARCHIVE)
        self._fetched: dict[str, tuple[int, int]] | None = None

    def fetch(self) -> None:
        storage, directory = self._context.storage, self._context.working_directory
        if not storage.exists(self._uri):
            return
        age = datetime.now(UTC) - storage.facts(self._uri).modified
        if self._cache.ttl is not None and age > self._cache.ttl:
            self._context.log("DEBUG", f"The cache is {age // timedelta(seconds=1)} s old: it is dropped")
            storage.delete(self._uri)
            return
        archive = directory / f".{_ARCHIVE}"
        storage.copy_to(self._uri, archive)
        with zipfile.ZipFile(archive) as files:
            for name in files.namelist():
                target = inside(directory, name)
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(files.read(name))
        archive.unlink()
        self._fetched = self._facts()

    def keep(self) -> None:
        """Only what has changed since it was fetched is worth storing: its age starts anew then."""
        facts = self._facts()
        if not facts or facts == self._fetched:
            return
        directory = self._context.working_directory
        archive = directory / f".{_ARCHIVE}"
        with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as files:
            for name in facts:
                files.write(directory / name, name)
        self._context.storage.put(self._uri, archive)
        archive.unlink()

    def _facts(self) -> dict[str, tuple[int, int]]:
        found = {}
        for path in sorted(self._context.working_directory.rglob("*")):
            name = path.relative_to(self._context.working_directory).as_posix()
            if self._is_wanted(path, name):
                status = path.stat()
                found[name] = (status.st_mtime_ns, status.st_size)
        return found

    def _is_wanted(self, path: Path, name: str) -> bool:
        if path.is_symlink() or not path.is_file() or name == f".{_ARCHIVE}":
            return False
        return any(fits(pattern, name) for pattern in self._patterns)
