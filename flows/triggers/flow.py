"""A trigger by the end (or another state) of other executions."""

from typing import Literal

from pydantic import Field

from flows.definition.properties import Labels
from flows.definition.states import State
from flows.definition.strict import Strict
from flows.triggers.base import Trigger
from flows.triggers.windows import TimeWindow

# Kestra's State.Type.terminatedTypes().
_TERMINATED = (
    State.FAILED,
    State.WARNING,
    State.SUCCESS,
    State.KILLED,
    State.CANCELLED,
    State.RETRIED,
    State.SKIPPED,
)


class UpstreamFlow(Strict):
    namespace: str
    flow_id: str | None = None
    states: tuple[State, ...] = ()
    labels: Labels = ()


class Filter(Strict):
    field: Literal["FLOW_ID", "NAMESPACE", "STATE", "EXPRESSION"]
    type: Literal[
        "EQUAL_TO", "NOT_EQUAL_TO", "IN", "NOT_IN", "IS_TRUE", "IS_FALSE", "IS_NULL", "IS_NOT_NULL",
        "STARTS_WITH", "ENDS_WITH", "REGEX", "CONTAINS",
    ]  # fmt: skip
    value: str | None = None
    values: tuple[str, ...] = ()


class ExecutionFilter(Strict):
    id: str
    operand: Literal["AND", "OR"] = "AND"
    filters: tuple[Filter, ...] = Field(min_length=1)


class Preconditions(Strict):
    """Upstream flows and filters, each of which may be met by another execution, within the time window."""

    id: str = Field(pattern=r"^[a-zA-Z0-9][a-zA-Z0-9_-]*$")
    time_window: TimeWindow = Field(default_factory=TimeWindow)
    reset_on_success: bool = True
    flows: tuple[UpstreamFlow, ...] = ()
    where: tuple[ExecutionFilter, ...] = ()


class Flow(Trigger):
    states: tuple[State, ...] = _TERMINATED
    preconditions: Preconditions | None = None
