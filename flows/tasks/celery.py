"""celery.Task: a Celery task that the application has already, run by our worker in a process that can be killed."""

import traceback
from collections.abc import Iterator
from functools import partial
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any, ClassVar

import celery
from celery import states
from celery.app.task import Task as CeleryTask
from celery.exceptions import Retry
from celery.local import Proxy
from celery.result import EagerResult
from django.conf import settings
from pydantic import Field

from flows.expressions.taint import reveal
from flows.tasks.base import Isolation, Json, RunContext, RunnableTask, TaskFailure

_CELERY = str(Path(celery.__file__).parent)


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
        try:
            done = _applied(context, task, reveal(args), reveal(kwargs))
        except Exception as error:
            context.log("ERROR", _traceback(error))
            raise TaskFailure(f"{type(error).__name__}: {error}") from None
        if done.state != states.SUCCESS:
            raise TaskFailure(f"The Celery task ended as {done.state}")
        return {"value": done.result}


def _applied(context: RunContext, task: CeleryTask, args: list[Json], kwargs: dict[str, Json]) -> EagerResult:
    """Run in this process, here and now: no broker, no result backend. `self.retry()` runs it again at once."""
    retries = 0
    call = partial(task.apply, args=args, kwargs=kwargs)
    while True:
        try:
            return call(retries=retries, throw=True)
        except Retry as again:
            if again.sig is None:
                raise
            retries += 1
            context.log("INFO", f"Retry {retries}: {again.exc or again.message or again}")
            call = again.sig.apply


def _traceback(error: Exception) -> str:
    """Without the frames of Celery and of this module above the task's own."""
    frames = error.__traceback__
    while frames is not None and frames.tb_next is not None and _is_ours(frames.tb_frame.f_code.co_filename):
        frames = frames.tb_next
    return "".join(traceback.format_exception(error.with_traceback(frames))).rstrip()


def _is_ours(file: str) -> bool:
    return file == __file__ or file.startswith(_CELERY)


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
