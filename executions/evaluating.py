"""Templates rendered as an execution, or one of its task runs, sees them: for `eval`, and for what a task used.

Nothing is changed, nobody outside is called, and what comes from a secret is masked.
"""

from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

from executions import database, store
from executions.expressions import SiteServices, earlier_of, place_of, revealed, site_variables
from executions.state import Execution
from executions.transitions.outputs import ExecutionScope, plain
from flows import catalog
from flows.definition.model import Flow
from flows.expressions import taint
from flows.expressions.errors import ExpressionError
from flows.expressions.render import has_expression, render, render_typed, render_value

Json = Any
MAX_TEMPLATE = 20_000
_OUTWARD = ("http",)  # a look at what happened must not make anything happen


@dataclass(frozen=True, slots=True)
class Evaluated:
    """A value, or why there is none."""

    value: Json = None
    error: str | None = None


class NoSuchRun(LookupError):
    http_status = 404


class _QuietServices(SiteServices):
    def call(self, name: str, arguments: dict[str, object]) -> object:
        if name in _OUTWARD:
            raise ExpressionError(f"The function '{name}' is not called while one only looks.")
        if name == "payload":  # outputs too large to be at hand
            number = int(str(arguments["id"]))
            return store.fetch_payloads(database.current(), [number])[number]
        return super().call(name, arguments)


@dataclass(slots=True)
class _View:
    flow: Flow
    scope: ExecutionScope
    services: SiteServices


def evaluate(execution_id: str, template: str, run_id: str | None = None, *, as_text: bool = False) -> Evaluated:
    """One template, its value or its text. Raises NoSuchRun, and what reading the execution or its flow raises."""
    view = _view(execution_id, run_id)
    if len(template) > MAX_TEMPLATE:
        return Evaluated(error=f"The expression is longer than {MAX_TEMPLATE:,} characters.")
    rendering = render if as_text else render_typed
    return _safely(lambda: rendering(template, view.scope, view.services))


def used_by(execution_id: str, run_id: str) -> dict[str, Evaluated]:
    """The templated properties of a run's task, with the values that they have for this run now."""
    view = _view(execution_id, run_id)
    place = view.flow.task_index.get(view.scope.run.task_id if view.scope.run else "")
    if place is None:
        return {}
    return {
        name: _safely(lambda value=value: render_value(value, view.scope, view.services, typed=True))
        for name, value in _templated(place.task).items()
    }


def _view(execution_id: str, run_id: str | None) -> _View:
    execution = store.load(database.current(), execution_id)
    if execution is None:
        raise NoSuchRun(f"Not Found: execution {execution_id}")
    flow = catalog.find(execution.namespace, execution.flow_id, execution.flow_revision, allow_deleted=True)
    run = execution.runs.get(run_id) if run_id else None
    if run_id and run is None:
        raise NoSuchRun(f"Not Found: task run {run_id}")
    services = _services(execution)
    extra = {**site_variables(), "inputs": revealed(execution.inputs)}
    return _View(flow, ExecutionScope(flow, execution, run, extra, services.call), services)


def _services(execution: Execution) -> SiteServices:
    told = (execution.trigger or {}).get("variables")
    place = place_of(execution.namespace, execution.flow_id, execution.id, told, earlier_of(execution))
    return _QuietServices(lambda: nullcontext(database.current()), place, public_only=True)


def _templated(task: BaseModel) -> dict[str, Json]:
    """Own properties that hold a template; tasks inside are tasks of their own."""
    found = {}
    for name, field in type(task).model_fields.items():
        value = getattr(task, name)
        if _has_template(value):
            found[field.alias or name] = value
    return found


def _has_template(value: Json) -> bool:
    if isinstance(value, str):
        return has_expression(value)
    if isinstance(value, dict):
        return any(_has_template(item) for item in value.values())
    return isinstance(value, (list, tuple)) and any(_has_template(item) for item in value)


def _safely(rendering: Any) -> Evaluated:
    try:
        return Evaluated(taint.mask(plain(rendering())))
    except ExpressionError as error:
        return Evaluated(error=str(error))
