"""core.log.Log: one or several messages into the execution's logs."""

from typing import Any, ClassVar, Literal

from flows.tasks.base import Isolation, Json, RunContext, RunnableTask

Level = Literal["TRACE", "DEBUG", "INFO", "WARN", "ERROR"]


class Log(RunnableTask):
    isolation: ClassVar[Isolation] = Isolation.LIGHT

    message: Any
    level: str = "INFO"  # a Level, or a template of one

    def run(self, context: RunContext) -> dict[str, Json] | None:
        level = str(context.render(self.level)).upper()
        messages = self.message if isinstance(self.message, list | tuple) else [self.message]
        for message in messages:
            context.log(level, context.render(message if isinstance(message, str) else str(message)))
        return None
