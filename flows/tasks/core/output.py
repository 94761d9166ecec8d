"""core.output.OutputValues: rendered values as output."""

from typing import Any, ClassVar

from pydantic import Field

from flows.tasks.base import Isolation, Json, RunContext, RunnableTask


class OutputValues(RunnableTask):
    isolation: ClassVar[Isolation] = Isolation.LIGHT

    values: dict[str, Any] = Field(default_factory=dict)

    def run(self, context: RunContext) -> dict[str, Json] | None:
        return {"values": context.render(self.values)}
