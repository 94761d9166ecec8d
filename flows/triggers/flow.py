"""A trigger by the end (or another state) of other executions."""

from collections.abc import Iterator
from typing import Any, Literal

import regex
from pydantic import Field, field_validator

from flows.definition.properties import Labels
from flows.definition.states import State
from flows.definition.strict import Strict
from flows.triggers.base import Facts, Trigger, is_truthy
from flows.triggers.conditions.logic import MultipleCondition
from flows.triggers.gathering import Gathering
from flows.triggers.windows import TimeWindow

TYPE = "io.kestra.plugin.core.trigger.Flow"
_REGEX_SECONDS = 0.1

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
    """Met by an execution of this flow (without `flowId`: of any of the namespace)."""

    namespace: str
    flow_id: str | None = None
    states: tuple[State, ...] = ()
    labels: Labels = ()

    def may_hold_for(self, namespace: str, flow_id: str) -> bool:
        return namespace == self.namespace and self.flow_id in (None, flow_id)

    def holds(self, facts: Facts) -> bool:
        present = [dict(label) for label in facts.labels]
        return (
            self.may_hold_for(facts.namespace, facts.flow_id)
            and (not self.states or facts.state in self.states)
            and all(label in present for label in self.labels)
        )


FilterType = Literal[
    "EQUAL_TO", "NOT_EQUAL_TO", "IN", "NOT_IN", "IS_TRUE", "IS_FALSE", "IS_NULL", "IS_NOT_NULL",
    "STARTS_WITH", "ENDS_WITH", "REGEX", "CONTAINS",
]  # fmt: skip


class Filter(Strict):
    """`value` is what the field is compared with; of an EXPRESSION it is the template itself."""

    field: Literal["FLOW_ID", "NAMESPACE", "STATE", "EXPRESSION"]
    type: FilterType
    value: str | None = None
    values: tuple[str, ...] = ()

    @field_validator("value", mode="before")
    @classmethod
    def _as_text(cls, value: Any) -> Any:
        return (
            str(value).lower() if isinstance(value, bool) else str(value) if isinstance(value, int | float) else value
        )

    def holds(self, facts: Facts) -> bool:
        if self.field == "EXPRESSION":
            return _compares(self.type, facts.render(self.value or ""), None, self.values)
        left = {"FLOW_ID": facts.flow_id, "NAMESPACE": facts.namespace, "STATE": facts.state}[self.field]
        return _compares(self.type, None if left is None else str(left), self.value, self.values)

    def may_hold_for(self, namespace: str, flow_id: str) -> bool:
        if self.field not in ("FLOW_ID", "NAMESPACE"):
            return True
        left = flow_id if self.field == "FLOW_ID" else namespace
        return _compares(self.type, left, self.value, self.values)


def _compares(how: FilterType, left: str | None, right: str | None, several: tuple[str, ...]) -> bool:
    match how:
        case "IS_NULL":
            return not left
        case "IS_NOT_NULL":
            return bool(left)
        case "IS_TRUE":
            return is_truthy(left)
        case "IS_FALSE":
            return not is_truthy(left)
        case "IN":
            return left in several
        case "NOT_IN":
            return left not in several
        case _:
            return _compares_texts(how, left or "", right if right is not None else next(iter(several), ""))


def _compares_texts(how: FilterType, left: str, right: str) -> bool:
    match how:
        case "EQUAL_TO":
            return left == right
        case "NOT_EQUAL_TO":
            return left != right
        case "STARTS_WITH":
            return left.startswith(right)
        case "ENDS_WITH":
            return left.endswith(right)
        case "CONTAINS":
            return right in left
        case _:
            return regex.fullmatch(right, left, timeout=_REGEX_SECONDS) is not None


class ExecutionFilter(Strict):
    id: str
    operand: Literal["AND", "OR"] = "AND"
    filters: tuple[Filter, ...] = Field(min_length=1)

    def holds(self, facts: Facts) -> bool:
        return self._together(one.holds(facts) for one in self.filters)

    def may_hold_for(self, namespace: str, flow_id: str) -> bool:
        return self._together(one.may_hold_for(namespace, flow_id) for one in self.filters)

    def _together(self, answers: Iterator[bool]) -> bool:
        """Later ones are not asked for when the earlier decide."""
        return any(answers) if self.operand == "OR" else all(answers)


class Preconditions(Strict):
    """Upstream flows and filters, each of which may be met by another execution, within the time window."""

    id: str = Field(pattern=r"^[a-zA-Z0-9][a-zA-Z0-9_-]*$")
    time_window: TimeWindow = Field(default_factory=TimeWindow)
    reset_on_success: bool = True
    flows: tuple[UpstreamFlow, ...] = ()
    where: tuple[ExecutionFilter, ...] = ()

    def parts(self) -> dict[str, UpstreamFlow | ExecutionFilter]:
        """By names that stay the same when others are added."""
        upstream = {f"flow:{one.namespace}.{one.flow_id or '*'}:{number}": one for number, one in enumerate(self.flows)}
        return {**upstream, **{f"where:{one.id}": one for one in self.where}}


class Flow(Trigger):
    """Starts an execution for each one that it hears of, or for each set of them that meets its `preconditions`."""

    states: tuple[State, ...] = _TERMINATED
    preconditions: Preconditions | None = None

    def listens_to(self, namespace: str, flow_id: str) -> bool:
        if not all(condition.may_hold_for(namespace, flow_id) for condition in self.conditions):
            return False
        parts = self.preconditions.parts() if self.preconditions is not None else {}
        return not parts or any(part.may_hold_for(namespace, flow_id) for part in parts.values())

    def hears(self, facts: Facts) -> bool:
        """Whether the state and all plain conditions fit. Raises what rendering raises."""
        return facts.state in self.states and all(
            condition.holds(facts) for condition in self.conditions if not isinstance(condition, MultipleCondition)
        )

    def gatherings(self) -> list[Gathering]:
        """Its conditions over several executions; all of them must be complete."""
        found = [
            Gathering(
                one.id,
                one.effective_window,
                one.reset_on_success,
                {name: part.holds for name, part in one.conditions.items()},
            )
            for one in self.conditions
            if isinstance(one, MultipleCondition)
        ]
        if self.preconditions is not None and (parts := self.preconditions.parts()):
            holds = {name: part.holds for name, part in parts.items()}
            given = self.preconditions
            found.append(Gathering(given.id, given.time_window, given.reset_on_success, holds))
        return found
