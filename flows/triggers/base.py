"""What a trigger and a condition are: pydantic bases and what conditions may see. No Django, no Celery."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, ValidationInfo

from flows.definition.properties import Labels, WorkerGroup
from flows.definition.states import State
from flows.definition.strict import Strict


@dataclass(frozen=True, slots=True)
class Facts:
    """What a condition decides from. `execution` fields are empty where there is none (schedules)."""

    render: Callable[[str], str]  # in the scope of the execution (or trigger) that is looked at
    now: datetime
    namespace: str = ""  # of the execution looked at
    flow_id: str = ""
    state: State | None = None
    labels: Sequence[Mapping[str, str]] = ()
    outputs: Mapping[str, Any] = field(default_factory=dict)
    attempt_states: Sequence[State] = ()  # states of all attempts of all task runs


class Condition(Strict):
    """`holds` raises what rendering raises; the caller decides whether that is a no."""

    type: str

    def holds(self, facts: Facts) -> bool:
        raise NotImplementedError(type(self).__name__)

    def may_hold_for(self, namespace: str, flow_id: str) -> bool:
        """Whether some execution of this flow could ever meet it."""
        return True


def _condition(value: Any, info: ValidationInfo) -> Any:
    if isinstance(value, Condition) or not isinstance(value, Mapping):
        return value
    context: dict[str, Any] = info.context or {}
    return context["build_condition"](value, context)


AnyCondition = Annotated[Condition, BeforeValidator(_condition)]


class Trigger(Strict):
    """What every trigger has."""

    id: str = Field(pattern=r"^[a-zA-Z0-9][a-zA-Z0-9_-]*$", max_length=256)
    type: str
    description: str | None = None
    conditions: tuple[AnyCondition, ...] = ()
    disabled: bool = False
    worker_group: WorkerGroup | None = None
    log_level: Literal["TRACE", "DEBUG", "INFO", "WARN", "ERROR"] | None = None
    min_log_level: Literal["TRACE", "DEBUG", "INFO", "WARN", "ERROR"] | None = None  # older name
    labels: Labels = ()
    stop_after: tuple[State, ...] = ()
    log_to_file: bool = False
    inputs: dict[str, Any] = Field(default_factory=dict)
    allow_concurrent: bool = False
    fail_on_trigger_error: bool = False
    assets: Any = None

    def listens_to(self, namespace: str, flow_id: str) -> bool:
        """Whether executions of that flow may start this trigger's."""
        return False


def _trigger(value: Any, info: ValidationInfo) -> Any:
    if isinstance(value, Trigger) or not isinstance(value, Mapping):
        return value
    context: dict[str, Any] = info.context or {}
    return context["build_trigger"](value, context)


AnyTrigger = Annotated[Trigger, BeforeValidator(_trigger)]


def is_truthy(text: str | None) -> bool:
    """Kestra's TruthUtils: only these five are false (trap 33)."""
    return text is not None and text not in ("", "0", "-0", "false")
