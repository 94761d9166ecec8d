"""Conditions on expressions and on other conditions."""

from pydantic import Field

from flows.definition.durations import Duration
from flows.triggers.base import AnyCondition, Condition, Facts
from flows.triggers.windows import TimeWindow


class Expression(Condition):
    """Unlike everywhere else only a blank text and `false` are false (trap 33)."""

    expression: str

    def holds(self, facts: Facts) -> bool:
        return facts.render(self.expression).strip() not in ("", "false")


class Not(Condition):
    conditions: tuple[AnyCondition, ...] = Field(min_length=1)

    def holds(self, facts: Facts) -> bool:
        return not any(condition.holds(facts) for condition in self.conditions)


class Or(Condition):
    conditions: tuple[AnyCondition, ...] = Field(min_length=1)

    def holds(self, facts: Facts) -> bool:
        return any(condition.holds(facts) for condition in self.conditions)

    def may_hold_for(self, namespace: str, flow_id: str) -> bool:
        return any(condition.may_hold_for(namespace, flow_id) for condition in self.conditions)


class MultipleCondition(Condition):
    """Deprecated for `preconditions`. Each part may be met by another execution, within the time window."""

    id: str
    time_window: TimeWindow = Field(default_factory=TimeWindow)
    reset_on_success: bool = True
    window: Duration | None = None  # older words
    window_advance: Duration | None = None
    conditions: dict[str, AnyCondition] = Field(min_length=1)

    @property
    def effective_window(self) -> TimeWindow:
        if self.window is None and self.window_advance is None:
            return self.time_window
        return TimeWindow(window=self.window, window_advance=self.window_advance)

    def may_hold_for(self, namespace: str, flow_id: str) -> bool:
        return any(condition.may_hold_for(namespace, flow_id) for condition in self.conditions.values())
