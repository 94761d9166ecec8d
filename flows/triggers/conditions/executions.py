"""Conditions on the execution that is looked at, or on its flow."""

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from flows.definition.properties import Label, Labels
from flows.definition.states import State
from flows.triggers.base import Condition, Facts, is_truthy

States = Annotated[
    tuple[State, ...] | None, BeforeValidator(lambda value: [value] if isinstance(value, str) else value)
]


class ExecutionFlow(Condition):
    namespace: str
    flow_id: str

    def holds(self, facts: Facts) -> bool:
        return self.may_hold_for(facts.namespace, facts.flow_id)

    def may_hold_for(self, namespace: str, flow_id: str) -> bool:
        return (namespace, flow_id) == (self.namespace, self.flow_id)


class FlowCondition(ExecutionFlow):
    """Deprecated in Kestra."""


class ExecutionNamespace(Condition):
    namespace: str
    comparison: Literal["EQUALS", "PREFIX", "SUFFIX"] | None = None
    prefix: bool = False

    def holds(self, facts: Facts) -> bool:
        return self.may_hold_for(facts.namespace, facts.flow_id)

    def may_hold_for(self, namespace: str, flow_id: str) -> bool:
        how = self.comparison or ("PREFIX" if self.prefix else "EQUALS")
        if how == "PREFIX":
            return namespace.startswith(self.namespace)
        if how == "SUFFIX":
            return namespace.endswith(self.namespace)
        return namespace == self.namespace


class FlowNamespaceCondition(Condition):
    """Deprecated in Kestra."""

    namespace: str
    prefix: bool = False

    def holds(self, facts: Facts) -> bool:
        return self.may_hold_for(facts.namespace, facts.flow_id)

    def may_hold_for(self, namespace: str, flow_id: str) -> bool:
        return namespace.startswith(self.namespace) if self.prefix else namespace == self.namespace


def _fits(state: State | None, wanted: tuple[State, ...] | None, refused: tuple[State, ...] | None) -> bool:
    return (wanted is None or state in wanted) and (refused is None or state not in refused)


class ExecutionStatus(Condition):
    in_: States = Field(default=None, alias="in")
    not_in: States = None

    def holds(self, facts: Facts) -> bool:
        return _fits(facts.state, self.in_, self.not_in)


class HasRetryAttempt(Condition):
    """Some attempt of some task run ended in such a state."""

    in_: States = Field(default=None, alias="in")
    not_in: States = None

    def holds(self, facts: Facts) -> bool:
        return any(_fits(state, self.in_, self.not_in) for state in facts.attempt_states)


class ExecutionLabels(Condition):
    """All of them."""

    labels: Labels

    def holds(self, facts: Facts) -> bool:
        present: list[Label] = [dict(label) for label in facts.labels]
        return all(label in present for label in self.labels)


class ExecutionOutputs(Condition):
    """`expression` sees the execution's outputs as `trigger.outputs`."""

    expression: str

    def holds(self, facts: Facts) -> bool:
        return bool(facts.outputs) and is_truthy(facts.render(self.expression))
