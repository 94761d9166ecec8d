"""What a task type is: the pydantic base, and what the engine and the worker may ask of it. No Django, no Celery."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from enum import Enum
from typing import Annotated, Any, ClassVar, Literal, Protocol

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationInfo
from pydantic.alias_generators import to_camel

from flows.definition.states import State

Json = Any


class Isolation(Enum):
    """How the worker runs a task type (DESIGN.md §4)."""

    LIGHT = "light"  # pure, bounded, under about a millisecond: may share a message
    THREAD = "thread"  # I/O with deadlines
    CHILD = "child"  # Python that cannot be interrupted: a killable process
    SUBPROCESS = "subprocess"  # scripts: a process group of its own


class Strict(BaseModel):
    """Base of everything that is read from a flow's YAML: frozen, camelCase, unknown properties refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", alias_generator=to_camel, populate_by_name=True, arbitrary_types_allowed=True)


class Task(Strict):
    """What every task has. Templated properties are plain text here; they are rendered when the task runs."""

    aliases: ClassVar[tuple[str, ...]] = ()  # Kestra's older names of the type

    id: str = Field(pattern=r"^[a-zA-Z0-9][a-zA-Z0-9_-]*$", max_length=256)
    type: str
    description: str | None = None
    retry: "Any | None" = None  # flows.definition.model.Retry after validation
    timeout: str | None = None  # ISO-8601 duration or a template of one
    disabled: bool = False
    worker_group: "Any | None" = None
    log_level: Literal["TRACE", "DEBUG", "INFO", "WARN", "ERROR"] | None = None
    allow_failure: bool = False
    allow_warning: bool = False
    log_to_file: bool = False
    run_if: str | None = None
    task_cache: "Any | None" = None
    assets: "Any | None" = None

    def branches(self) -> Iterator[tuple[str, Sequence["Task"]]]:
        """The lists of tasks inside this one, by property path: for indexing, validation and the graph."""
        return iter(())


def _resolve(value: Any, info: ValidationInfo) -> Any:
    """A map with a `type` becomes the task model that the registry (handed in as context) knows for it."""
    if isinstance(value, Task) or not isinstance(value, Mapping):
        return value
    return info.context["build_task"](value, info.context)


AnyTask = Annotated[Task, BeforeValidator(_resolve)]


class TaskFailure(Exception):
    """A run that failed in an expected way. `outputs` are kept with the failed run; `state` may be WARNING, KILLED..."""

    def __init__(self, message: str, outputs: dict[str, Json] | None = None, state: State = State.FAILED) -> None:
        super().__init__(message)
        self.message, self.outputs, self.state = message, outputs, state


class Logger(Protocol):
    def __call__(self, level: str, message: str) -> None: ...


class RunContext(Protocol):
    """All that a runnable task sees of the world (implemented by executor.worker.context)."""

    execution_id: str
    namespace: str
    flow_id: str
    task_run_id: str
    attempt: int  # from 1

    def render(self, value: Any) -> Any:
        """Text stays text; maps and lists are rendered deeply."""

    def render_typed(self, value: Any) -> Any:
        """A template that is a single expression keeps its type."""

    def log(self, level: str, message: str) -> None: ...
    def metric(self, name: str, value: float, kind: str = "counter", tags: Mapping[str, str] | None = None) -> None: ...

    @property
    def working_directory(self) -> Any:
        """pathlib.Path of a private folder, made at first use, removed after the run."""

    @property
    def storage(self) -> Any:
        """The internal storage (executions.storage.base.Storage)."""

    @property
    def platform(self) -> Any:
        """What core tasks need of the control plane: kv, namespace files, executions, logs (executor.worker.platform)."""

    def is_killed(self) -> bool: ...
    def on_kill(self, stop: Callable[[], None]) -> None:
        """`stop` is called once from another thread when the run is killed or timed out."""


class RunnableTask(Task):
    """A task that a worker runs."""

    isolation: ClassVar[Isolation] = Isolation.THREAD

    def run(self, context: RunContext) -> dict[str, Json] | None:
        """The outputs. Raises TaskFailure (or anything) to fail."""
        raise NotImplementedError(type(self).__name__)


@dataclass(frozen=True, slots=True)
class Child:
    """What a flowable may know of one of its task runs."""

    task_id: str
    value: str | None
    iteration: int | None
    state: State
    seq: int


@dataclass(frozen=True, slots=True)
class Next:
    """A task run to create under the flowable."""

    task: Task
    value: str | None = None
    iteration: int | None = None


class Children(Protocol):
    """The flowable's own runs, answered from indexes: no method may cost more than O(1) or O(own answer)."""

    def open(self) -> int: ...  # runs not terminal
    def count(self) -> int: ...
    def of(self, task_id: str, value: str | None) -> Child | None: ...  # the latest
    def with_state(self, state: State) -> int: ...
    def __iter__(self) -> Iterator[Child]: ...


@dataclass(frozen=True, slots=True)
class View:
    """What a flowable decides from. `render` evaluates a template in the task run's scope (typed)."""

    children: Children
    memory: Mapping[str, Json]
    render: Callable[[Any], Any]


@dataclass(frozen=True, slots=True)
class Opening:
    """What a flowable remembers when it starts."""

    outputs: dict[str, Json] | None = None
    memory: dict[str, Json] = field(default_factory=dict)
    wait: timedelta | None = None


class FlowableTask(Task):
    """A task settled inside the executor. Pure: it sees only its View and answers with values."""

    errors: tuple[AnyTask, ...] = ()
    finally_: tuple[AnyTask, ...] = Field(default=(), alias="finally")

    def open(self, view: View) -> Opening:
        """Called once when the run starts: evaluate condition, value, values. Raises to fail."""
        return Opening()

    def first(self, view: View) -> Sequence[Next]:
        """The runs to create at the start."""
        raise NotImplementedError

    def following(self, view: View, ended: Child) -> Sequence[Next]:
        """The runs that the end of `ended` unlocks (never called after a failure: the engine turns to `errors`)."""
        raise NotImplementedError
