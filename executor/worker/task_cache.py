"""`taskCache`: outputs of a task that ran before with the same rendered properties, kept in the internal storage."""

from datetime import UTC, datetime
from hashlib import sha256
from typing import TYPE_CHECKING

from executions.codec import dumps
from executions.storage.base import StorageError
from executor.worker.attempt import Attempt
from flows.expressions.errors import ExpressionError
from flows.expressions.render import is_truthy
from flows.expressions.taint import is_tainted
from flows.tasks.base import RunnableTask

if TYPE_CHECKING:
    from executor.worker.context import Context

# What says nothing about the outputs.
_IRRELEVANT = {"description", "retry", "timeout", "disabled", "worker_group", "log_level", "log_to_file", "run_if"}


class TaskCache:
    """The last outputs of this task (of each value of its loop) and the properties that they belong to."""

    def __init__(self, context: "Context", attempt: Attempt, key: str) -> None:
        self._context, self._attempt, self._key = context, attempt, key
        value = context.roots["taskrun"].get("value")
        name = "outputs" if value is None else sha256(str(value).encode()).hexdigest()
        self._address = context.cache_address(f"{name}.json")

    @classmethod
    def of(cls, task: RunnableTask, context: "Context", attempt: Attempt) -> "TaskCache | None":
        """None where the flow does not ask for it, or nothing can be said of its properties."""
        wanted = task.task_cache
        if wanted is None or not is_truthy(context.render(str(wanted.enabled))):
            return None
        properties = task.model_dump(exclude={*_IRRELEVANT, "task_cache"})
        try:
            # Names that the task itself adds must not make the rendering fail, nor the key another one.
            rendered = context.render(properties, {"workingDir": "", "outputDir": ""})
        except ExpressionError as error:
            attempt.log("WARN", f"The outputs are not cached: {error}")
            return None
        if is_tainted(rendered):
            attempt.log("DEBUG", "The outputs are not cached: the task uses secrets")
            return None
        return cls(context, attempt, sha256(dumps(rendered).encode()).hexdigest())

    def found(self) -> str | None:
        """The outputs as JSON text, while they are fresh."""
        task, storage = self._context.task, self._context.storage
        if not storage.exists(self._address):
            return None
        assert task.task_cache is not None
        age = datetime.now(UTC) - storage.facts(self._address).modified
        if task.task_cache.ttl is not None and age > task.task_cache.ttl:
            storage.delete(self._address)
            return None
        with storage.open(self._address) as file:
            key, _, text = file.read().decode().partition("\n")
        if key != self._key:
            return None
        self._attempt.log("DEBUG", "The outputs are those of an earlier run (taskCache)")
        return str(text)

    def keep(self, outputs: str | None) -> None:
        if outputs is None:
            return
        try:
            self._context.storage.put(self._address, f"{self._key}\n{outputs}".encode())
        except (StorageError, OSError) as error:
            self._attempt.log("WARN", f"The outputs could not be cached: {error}")
