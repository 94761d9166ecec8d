"""LoopUntil (WaitFor): its tasks again and again until a condition holds; only the runs of the last round stay. Pure."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from pydantic import Field

from flows.definition.durations import parse_duration
from flows.definition.states import State
from flows.definition.strict import Strict
from flows.expressions.render import is_truthy
from flows.tasks.base import Child, Closing, Next, Opening, View, in_order
from flows.tasks.flow.sequential import TaskList

COUNT = "iterationCount"


class CheckFrequency(Strict):
    """Numbers and ISO-8601 durations, or templates of them. What is left out depends on the name of the task."""

    max_iterations: Any = None
    max_duration: Any = None
    interval: Any = None


class LoopUntil(TaskList):
    aliases = ("io.kestra.core.tasks.flows.WaitFor", "io.kestra.plugin.core.flow.WaitFor")

    condition: str
    fail_on_max_reached: bool = False
    check_frequency: CheckFrequency = Field(default_factory=CheckFrequency)

    def open(self, view: View) -> Opening:
        return Opening(outputs={COUNT: 1})

    def first(self, view: View) -> Sequence[Next]:
        return in_order(self.tasks, iteration=_count(view) - 1)

    def following(self, view: View, ended: Child) -> Sequence[Next]:
        return in_order(self.tasks, ended.position, ended.value, ended.iteration)

    def close(self, view: View) -> Closing:
        if is_truthy(view.text(self.condition)):
            return Closing()
        reached = self._limit_reached(view)
        if reached is None:
            outputs = {**view.outputs, COUNT: _count(view) + 1}
            return Closing(outputs=outputs, again=self._duration(view, "interval", "PT1S", "PT1M") or timedelta(0))
        return Closing(state=State.FAILED if self.fail_on_max_reached else None, reason=reached)

    def _limit_reached(self, view: View) -> str | None:
        most = self._value(view, "max_iterations", 100, None)
        if most is not None and _count(view) >= int(most):
            return "Max iterations reached"
        longest = self._duration(view, "max_duration", "PT1H", None)
        if longest is not None and view.elapsed > longest:
            return "Max duration reached"
        return None

    def _duration(self, view: View, name: str, older: Any, newer: Any) -> timedelta | None:
        value = self._value(view, name, older, newer)
        return None if value is None else parse_duration(value)

    def _value(self, view: View, name: str, older: Any, newer: Any) -> Any:
        """Up to Kestra 0.22 the task was called WaitFor and had limits of its own (100 rounds, 1 h, each second)."""
        value = getattr(self.check_frequency, name)
        if isinstance(value, str):
            value = view.render(value)
        if value is None or value == "":
            return older if self.type.endswith("WaitFor") else newer
        return value


def _count(view: View) -> int:
    return int(view.outputs.get(COUNT, 1))
