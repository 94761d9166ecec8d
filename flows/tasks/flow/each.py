"""EachSequential and EachParallel: Kestra's older names for a ForEach. Pure."""

from typing import Any

from pydantic import Field

from flows.tasks.base import View
from flows.tasks.flow.foreach import ValueLoop
from flows.tasks.flow.values import loop_values


class EachSequential(ValueLoop):
    aliases = ("io.kestra.core.tasks.flows.EachSequential",)

    value: Any

    def loop_values(self, view: View) -> list[str]:
        return loop_values(self.value, view.render)


class EachParallel(EachSequential):
    aliases = ("io.kestra.core.tasks.flows.EachParallel",)

    concurrent: int = Field(default=0, ge=0)

    def limit(self) -> int:
        return self.concurrent
