"""core.execution.Fail: ends in failure, always or under a condition."""

from typing import ClassVar

from flows.expressions.render import is_truthy
from flows.tasks.base import Isolation, Json, RunContext, RunnableTask, TaskFailure


class Fail(RunnableTask):
    isolation: ClassVar[Isolation] = Isolation.LIGHT

    condition: str | None = None
    error_message: str = "Task failure"

    def run(self, context: RunContext) -> dict[str, Json] | None:
        if self.condition is None or is_truthy(context.render(self.condition)):
            raise TaskFailure(context.render(self.error_message))
        return None
