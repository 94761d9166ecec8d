"""celery.Task: a Celery task that the application has already, run by our worker in a process that can be killed."""

import traceback
from collections.abc import Iterator
from importlib import import_module
from types import ModuleType
from typing import Any, ClassVar

from celery.app.task import Task as CeleryTask
from celery.local import Proxy
from django.conf import settings
from pydantic import Field

from flows.expressions.taint import reveal
from flows.tasks.base import Isolation, Json, RunContext, RunnableTask, TaskFailure


class Task(RunnableTask):
    """`name` is the Celery task's own name; `args` and `kwargs` are its arguments. Output: `value`, what it returns."""

    isolation: ClassVar[Isolation] = Isolation.CHILD

    name: str = Field(min_length=1)
    args: list[Any] | str = Field(default_factory=list, description="A list, or a template of one")
    kwargs: dict[str, Any] | str = Field(default_factory=dict, description="A map, or a template of one")

    def run(self, context: RunContext) -> dict[str, Json] | None:
        task = find(context.render(self.name))
        args = context.render_typed(self.args)
        kwargs = context.render_typed(self.kwargs)
        if not isinstance(args, list):
            raise TaskFailure(f"`args` must be a list, not {type(args).__name__}")
        if not isinstance(kwargs, dict):
            raise TaskFailure(f"`kwargs` must be a map, not {type(kwargs).__name__}")
        # In this process, here and now: no broker, no result backend.
        try:
            done = task.apply(args=reveal(args), kwargs=reveal(kwargs), throw=True)
        except Exception as error:
            context.log("ERROR", "".join(traceback.format_exception(error)).rstrip())
            raise TaskFailure(f"{type(error).__name__}: {error}") from None
        return {"value": done.result}


def find(name: str) -> CeleryTask:
    """A Celery task of the modules in CELESTA_TASK_MODULES, and of no others. Raises TaskFailure."""
    modules = settings.CELESTA.task_modules
    if not modules:
        raise TaskFailure("CELESTA_TASK_MODULES names no modules: there is no Celery task to run")
    known: dict[str, CeleryTask] = {}
    for module in modules:
        try:
            known.update({task.name: task for task in _tasks_of(import_module(module))})
        except Exception as error:
            raise TaskFailure(
                f"Module {module} of CELESTA_TASK_MODULES cannot be loaded: {type(error).__name__}: {error}"
            ) from None
    if name not in known:
        names = ", ".join(sorted(known)) or "none"
        raise TaskFailure(f"There is no Celery task `{name}` in {', '.join(modules)} (its tasks: {names})")
    return known[name]


def _tasks_of(module: ModuleType) -> Iterator[CeleryTask]:
    for value in vars(module).values():
        # `shared_task` and lazy applications leave a proxy, made real when it is looked at.
        if isinstance(value, CeleryTask):
            yield value._get_current_object() if isinstance(value, Proxy) else value
