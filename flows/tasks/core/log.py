"""core.log.Log: one or several messages into the execution's logs."""

from typing import Any, ClassVar, Literal, get_args

from pydantic import field_validator

from flows.tasks.base import Isolation, Json, RunContext, RunnableTask

Level = Literal["TRACE", "DEBUG", "INFO", "WARN", "ERROR"]


class Log(RunnableTask):
    isolation: ClassVar[Isolation] = Isolation.LIGHT

    message: Any
    level: str = "INFO"  # a Level, or a template of one

    @field_validator("level")
    @classmethod
    def _is_level(cls, level: str) -> str:
        if "{" not in level and level.upper() not in get_args(Level):
            raise ValueError(f"unknown level `{level}`: expected one of {', '.join(get_args(Level))}")
        return level

    def run(self, context: RunContext) -> dict[str, Json] | None:
        level = str(context.render(self.level)).upper()
        messages = self.message if isinstance(self.message, list | tuple) else [self.message]
        for message in messages:
            context.log(level, context.render(message if isinstance(message, str) else str(message)))
        return None
