"""A flow as written, frozen and checked, with the indexes by which the engine finds its tasks. Pure."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType
from typing import Annotated, Any

from pydantic import AliasChoices, BaseModel, BeforeValidator, Field, PrivateAttr

from flows.definition.input_types import AnyInput
from flows.definition.properties import Check, Concurrency, Labels, Output, PluginDefault, Retry, Sla, WorkerGroup
from flows.definition.strict import Strict
from flows.expressions.references import References, references
from flows.tasks.aliases import canonical
from flows.tasks.base import AnyTask, Task
from flows.triggers.base import AnyCondition, AnyTrigger

Document = dict[str, Any]


def _no_list(value: Any) -> Any:
    """An empty property is an empty list."""
    return () if value is None else value


OptionalTasks = Annotated[tuple[AnyTask, ...], BeforeValidator(_no_list)]


class Listener(Strict):
    """Tasks to run after the end when the conditions hold (deprecated in Kestra)."""

    description: str | None = None
    conditions: tuple[AnyCondition, ...] = ()
    tasks: tuple[AnyTask, ...] = Field(min_length=1)


@dataclass(frozen=True, slots=True)
class TaskPlace:
    """Where a task stands: under which task (None: the flow), in which list, at which position."""

    task: Task
    parent_id: str | None
    branch: str
    position: int


class Flow(Strict):
    id: str = Field(pattern=r"^[a-zA-Z0-9][a-zA-Z0-9._-]*$", max_length=100)
    namespace: str = Field(pattern=r"^[a-z0-9][a-z0-9._-]*$", max_length=150)
    revision: int = 1
    description: str | None = None
    labels: Labels = ()
    inputs: Annotated[tuple[AnyInput, ...], BeforeValidator(_no_list)] = ()
    variables: Annotated[dict[str, Any], BeforeValidator(lambda value: {} if value is None else value)] = Field(
        default_factory=dict
    )
    tasks: tuple[AnyTask, ...] = Field(min_length=1)
    errors: OptionalTasks = ()
    finally_: OptionalTasks = Field(default=(), alias="finally")
    after_execution: OptionalTasks = ()
    listeners: Annotated[tuple[Listener, ...], BeforeValidator(_no_list)] = ()
    triggers: Annotated[tuple[AnyTrigger, ...], BeforeValidator(_no_list)] = ()
    plugin_defaults: Annotated[tuple[PluginDefault, ...], BeforeValidator(_no_list)] = Field(
        default=(), validation_alias=AliasChoices("pluginDefaults", "taskDefaults")
    )
    concurrency: Concurrency | None = None
    outputs: Annotated[tuple[Output, ...], BeforeValidator(_no_list)] = ()
    retry: Retry | None = None
    sla: Annotated[tuple[Sla, ...], BeforeValidator(_no_list)] = ()
    disabled: bool = False
    deleted: bool = False
    worker_group: WorkerGroup | None = None
    tenant_id: str | None = None
    checks: Annotated[tuple[Check, ...], BeforeValidator(_no_list)] = ()
    draft: bool = False

    _source: str = PrivateAttr(default="")
    _document: Document = PrivateAttr(default_factory=dict)

    @property
    def source(self) -> str:
        """The text, to the letter."""
        return self._source

    @property
    def document(self) -> Document:
        """The text as plain data, before plugin defaults: what the REST API shows. Not to be changed."""
        return self._document

    @cached_property
    def trigger_types(self) -> list[str]:
        """Present names of the types of its triggers, without repetition."""
        return sorted({canonical(trigger.type) for trigger in self.triggers})

    @cached_property
    def uses_templates(self) -> bool:
        return any(place.task.takes_in_template for place in self.task_index.values())

    def branches(self) -> Iterator[tuple[str, tuple[Task, ...]]]:
        """The flow's own lists of tasks by property; each listener's is `listeners.<n>`."""
        yield "tasks", self.tasks
        yield "errors", self.errors
        yield "finally", self.finally_
        yield "afterExecution", self.after_execution
        for number, listener in enumerate(self.listeners):
            yield f"listeners.{number}", listener.tasks

    @cached_property
    def task_index(self) -> Mapping[str, TaskPlace]:
        """Every task of the whole tree by its id."""
        index: dict[str, TaskPlace] = {}
        for branch, tasks in self.branches():
            for position, task in enumerate(tasks):
                for place in walk(task, None, branch, position):
                    index.setdefault(place.task.id, place)
        return MappingProxyType(index)

    @cached_property
    def _references(self) -> dict[tuple[str, bool], References]:
        return {}

    def references_of(self, task_id: str, *, deep: bool = False) -> References:
        """What the templates of a task name; with `deep` also those of all tasks inside it."""
        known = self._references.get((task_id, deep))
        if known is None:
            task = self.task_index[task_id].task
            tasks = [place.task for place in walk(task, None, "", 0)] if deep else [task]
            known = references([_own_properties(one) for one in tasks])
            self._references[task_id, deep] = known
        return known


def _own_properties(value: Any, outermost: bool = True) -> Any:
    """Plain data of a task without the tasks inside it."""
    if isinstance(value, Task) and not outermost:
        return None
    if isinstance(value, BaseModel):
        return {name: _own_properties(getattr(value, name), False) for name in type(value).model_fields}
    if isinstance(value, Mapping):
        return {key: _own_properties(item, False) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_own_properties(item, False) for item in value]
    return value


def walk(task: Task, parent_id: str | None, branch: str, position: int) -> Iterator[TaskPlace]:
    """The task and all tasks inside it, outer ones first."""
    yield TaskPlace(task, parent_id, branch, position)
    for name, tasks in task.branches():
        for number, child in enumerate(tasks):
            yield from walk(child, task.id, name, number)
