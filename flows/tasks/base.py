"""What a task type is: the pydantic base, and what the engine and the worker may ask of it. No Django, no Celery."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from enum import Enum
from typing import Annotated, Any, ClassVar, Literal, Protocol

from pydantic import BeforeValidator, Field, ValidationInfo

from flows.definition.input_types import Input
from flows.definition.properties import Retry, TaskCache, WorkerGroup
from flows.definition.states import State
from flows.definition.strict import Strict

Json = Any


class Isolation(Enum):
    """How the worker runs a task type (DESIGN.md §4)."""

    LIGHT = "light"  # pure, bounded, under about a millisecond: may share a message
    THREAD = "thread"  # I/O with deadlines
    CHILD = "child"  # Python that cannot be interrupted: a killable process
    SUBPROCESS = "subprocess"  # scripts: a process group of its own


class Task(Strict):
    """What every task has. Templated properties are plain text here; they are rendered when the task runs."""

    aliases: ClassVar[tuple[str, ...]] = ()  # Kestra's older names of the type
    # How its tasks hang together in a drawing: SEQUENTIAL, PARALLEL, CHOICE (one of its lists), DYNAMIC (a loop).
    relation: ClassVar[str] = "SEQUENTIAL"
    takes_in_template: ClassVar[bool] = False  # its tasks are stored elsewhere

    id: str = Field(pattern=r"^[a-zA-Z0-9][a-zA-Z0-9_-]*$", max_length=256)
    type: str
    description: str | None = None
    retry: Retry | None = None
    timeout: str | None = None  # ISO-8601 duration or a template of one
    disabled: bool = False
    worker_group: WorkerGroup | None = None
    log_level: Literal["TRACE", "DEBUG", "INFO", "WARN", "ERROR"] | None = None
    allow_failure: bool = False
    allow_warning: bool = False
    log_to_file: bool = False
    run_if: str | None = None
    task_cache: TaskCache | None = None
    assets: "Any | None" = None

    def branches(self) -> Iterator[tuple[str, Sequence["Task"]]]:
        """The lists of tasks inside this one, by property path: for indexing, validation and the graph."""
        return iter(())

    def dependencies(self) -> Mapping[str, Sequence[str]] | None:
        """The ids each of its tasks waits for, where they are told one by one; None: its lists tell the order."""
        return None

    def error_tasks(self) -> Sequence["Task"]:
        """Run after a failure of its tasks."""
        return ()

    def finally_tasks(self) -> Sequence["Task"]:
        """Run after its tasks (and `errors`), whatever came of them."""
        return ()


def _resolve(value: Any, info: ValidationInfo) -> Any:
    """A map with a `type` becomes the task model that the registry (handed in as context) knows for it."""
    if isinstance(value, Task) or not isinstance(value, Mapping):
        return value
    context: dict[str, Any] = info.context or {}
    return context["build_task"](value, context)


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

    def render(self, value: Any, extra: Mapping[str, Json] | None = None) -> Any:
        """Text stays text; maps and lists are rendered deeply. `extra` are further variables."""

    def render_typed(self, value: Any, extra: Mapping[str, Json] | None = None) -> Any:
        """A template that is a single expression keeps its type."""

    def log(self, level: str, message: str) -> None: ...
    def metric(self, name: str, value: float, kind: str = "counter", tags: Mapping[str, str] | None = None) -> None: ...

    @property
    def working_directory(self) -> Any:
        """pathlib.Path of a private folder, made at first use, removed after the run."""

    def upload(self, source: Any, name: str) -> str:
        """A file (path, bytes or open file) of this task run in the internal storage; its address."""

    def download(self, uri: str, target: Any) -> Any:
        """A file of the internal storage as a local one inside the working directory; its path."""

    def run_inside(self, task: "RunnableTask") -> State:
        """Run another task in this one's working directory, as a task run of its own below this one; how it ended."""

    def run_as(self, task: "RunnableTask") -> dict[str, Json] | None:
        """Run another task in the place of this one; its outputs. Raises what it raises."""

    def cache_address(self, name: str) -> str:
        """Where this task keeps a file from one execution of its flow to the next."""

    def outputs_of_children(self, task_id: str) -> tuple[Mapping[str, Json], Sequence[tuple[int, Mapping[str, Json]]]]:
        """Of the latest run of a task beside this one: its outputs, and those of the executions that it has started,
        each with its iteration, in that order."""

    def run_process(
        self,
        command: Sequence[str],
        environment: Mapping[str, str],
        on_line: Callable[[str, str], None],
        directory: Any = None,
        *,
        as_worker: bool = False,
    ) -> int:
        """Run a program in a process group of its own; `on_line` gets ("out" or "err", line). Its exit code.

        `as_worker`: by the worker's own account, for programs of ours that run nothing of the flow's on this machine."""

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
    branch: str  # the list that its task stands in
    position: int  # and where, from 0
    value: str | None
    iteration: int | None
    state: State


@dataclass(frozen=True, slots=True)
class Next:
    """A task run to create under the flowable; one that exists already is left alone."""

    task: Task
    value: str | None = None
    iteration: int | None = None
    # Seen by the run and all below it; outputs of tasks below are then those of this run, not maps of all values.
    variables: Mapping[str, Json] | None = None


class Children(Protocol):
    """Task runs on one level, answered from indexes: no method may cost more than O(1) but where it says so."""

    def open(self) -> int: ...  # runs not terminal
    def count_of(self, task_id: str) -> int: ...
    def of(self, task_id: str, value: str | None = None) -> Child | None: ...  # the latest
    def outputs_of(self, task_id: str) -> Mapping[str | None, Json]: ...  # of those that have some, by value: O(runs)


class Render(Protocol):
    """Deep; a template that is a single expression keeps its type. `extra` are further variables."""

    def __call__(self, value: Any, extra: Mapping[str, Json] | None = None) -> Any: ...


class RenderText(Protocol):
    def __call__(self, template: str, extra: Mapping[str, Json] | None = None) -> str: ...


@dataclass(frozen=True, slots=True)
class View:
    """What a task settled in the executor decides from; rendering happens in the scope of its task run."""

    children: Children
    siblings: Children  # the runs on its own level
    memory: Mapping[str, Json]
    outputs: Mapping[str, Json]
    variables: Mapping[str, Json]  # given to the run, or one above it, by `Next.variables`
    elapsed: timedelta  # since the run started
    render: Render
    text: RenderText


@dataclass(frozen=True, slots=True)
class Pausing:
    """The run, and with it the execution, waits for a user, or for `wake_after`."""

    wake_after: timedelta | None = None
    wakes_as: State = State.RUNNING  # RUNNING: goes on with its tasks; a terminal state: ends like this
    meanwhile: Task | None = None  # run at once, below it


@dataclass(frozen=True, slots=True)
class Opening:
    """What a flowable shows and remembers when it starts."""

    outputs: dict[str, Json] | None = None
    memory: dict[str, Json] = field(default_factory=dict)
    pausing: Pausing | None = None


@dataclass(frozen=True, slots=True)
class Closing:
    """What a flowable does when its tasks have ended."""

    state: State | None = None  # None: the worst state of its tasks
    outputs: dict[str, Json] | None = None  # replaces the outputs; None: as they are
    again: timedelta | None = None  # another round after this long: the runs of this one are removed
    reason: str | None = None  # for the log


class FlowableTask(Task):
    """A task settled inside the executor. Pure: it sees only its View and answers with values."""

    errors: tuple[AnyTask, ...] = ()
    finally_: tuple[AnyTask, ...] = Field(default=(), alias="finally")

    def error_tasks(self) -> Sequence[Task]:
        return self.errors

    def finally_tasks(self) -> Sequence[Task]:
        return self.finally_

    def open(self, view: View) -> Opening:
        """Called once when the run starts: evaluate condition, value, values. Raises to fail."""
        return Opening()

    def first(self, view: View) -> Sequence[Next]:
        """The runs to create at the start."""
        raise NotImplementedError

    def following(self, view: View, ended: Child) -> Sequence[Next]:
        """The runs that the end of `ended` unlocks (never called after a failure: the engine turns to `errors`)."""
        raise NotImplementedError

    def close(self, view: View) -> Closing:
        """Called when all its tasks have ended, none of them badly."""
        return Closing()

    def resume_inputs(self) -> Sequence[Input]:
        """What a user is asked for who resumes it from a pause."""
        return ()

    def side_tasks(self) -> Sequence[Task]:
        """Those of its tasks whose ends mean nothing for its own."""
        return ()

    def outcome(self, worst: State) -> State:
        """Its own end state for the worst of its tasks."""
        return worst

    def comes_after(self, run: Child, other: Child) -> bool:
        """Whether `run` could only start after `other`: a replay from `other` has to do it again.

        Here: tasks in a row; of a loop all runs of the tasks before are kept, as Kestra's graph has them."""
        if run.position != other.position:
            return run.position > other.position
        return (run.iteration or 0) > (other.iteration or 0)


@dataclass(frozen=True, slots=True)
class Launch:
    """An execution that an ExecutableTask starts."""

    namespace: str
    flow_id: str
    revision: int | None = None
    inputs: dict[str, Json] = field(default_factory=dict)
    labels: tuple[tuple[str, str], ...] = ()
    inherit_labels: bool = False
    schedule_date: Json = None
    iteration: int | None = None
    wait: bool = True  # its end is told back, not only its start
    variables: dict[str, Json] = field(default_factory=dict)  # kept in the trigger's variables
    # Templates rendered at the child's end, in the child's scope, and given back as its outputs.
    outputs: dict[str, Json] | None = None


@dataclass(frozen=True, slots=True)
class ChildEnd:
    """A started execution's start (`state` None), end, or the reason why it could not start (`error`)."""

    execution_id: str
    state: State | None
    outputs: Mapping[str, Json] | None = None
    error: str | None = None
    iteration: int | None = None


@dataclass(frozen=True, slots=True)
class Progress:
    """How far an ExecutableTask is. `state` None: it waits on."""

    state: State | None = None
    outputs: dict[str, Json] | None = None  # None: as they are
    memory: dict[str, Json] | None = None


@dataclass(frozen=True, slots=True)
class Restart:
    """Executions (id, iteration) to restart in place of new ones, and what the run remembers from then on."""

    children: tuple[tuple[str, int | None], ...]
    memory: dict[str, Json] | None = None  # None: as it is


class ExecutableTask(Task):
    """A task that starts other executions and is settled in the executor. Pure."""

    def launches(self, view: View) -> Sequence[Launch]:
        """The executions to start. Raises to fail; nothing to start ends the run well.

        Their number is in the run's memory from then on, as `launched`."""
        raise NotImplementedError

    def progress(self, view: View, news: ChildEnd) -> Progress:
        """What the start or the end of a child means. Told twice of one end, it must count it once."""
        raise NotImplementedError

    def outputs_wanted(self) -> dict[str, Json] | None:
        """Templates rendered at a child's end in its scope, told in place of its own outputs."""
        return None

    def restart(self, view: View) -> Restart | None:
        """What a restart of the run does with executions it has started; None: it starts all anew."""
        return None


@dataclass(frozen=True, slots=True)
class Update:
    """What an UpdatingTask makes of its execution; None: as it is."""

    labels: dict[str, str] | None = None  # merged over
    variables: dict[str, Json] | None = None  # replaces all
    state: State | None = None  # ends the execution like this
    outputs: dict[str, Json] | None = None


class UpdatingTask(Task):
    """A task that changes its own execution and is settled in the executor. Pure."""

    def update(self, view: View, variables: Mapping[str, Json]) -> Update:
        """Raises to fail."""
        raise NotImplementedError


def enabled(tasks: Sequence[Task]) -> tuple[Task, ...]:
    return tuple(task for task in tasks if not task.disabled)


def in_order(
    tasks: Sequence[Task], after: int = -1, value: str | None = None, iteration: int | None = None
) -> tuple[Next, ...]:
    """The first enabled task behind position `after`, or nothing."""
    for index in range(after + 1, len(tasks)):
        if not tasks[index].disabled:
            return (Next(tasks[index], value, iteration),)
    return ()
