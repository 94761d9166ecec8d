"""core.debug.Return and Echo: a rendered text as output, or into the logs."""

from typing import ClassVar

from flows.tasks.base import Isolation, Json, RunContext, RunnableTask


class Return(RunnableTask):
    isolation: ClassVar[Isolation] = Isolation.LIGHT

    format: str | None = None

    def run(self, context: RunContext) -> dict[str, Json] | None:
        value = context.render(self.format) if self.format is not None else None
        if value is not None:
            context.log("DEBUG", value)
            context.metric("length", len(value), tags={"format": self.format or ""})
        return {"value": value}


class Echo(RunnableTask):
    isolation: ClassVar[Isolation] = Isolation.LIGHT

    format: str
    level: str = "INFO"

    def run(self, context: RunContext) -> dict[str, Json] | None:
        context.log(str(context.render(self.level)).upper(), context.render(self.format))
        return None
