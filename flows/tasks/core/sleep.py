"""core.flow.Sleep: waits, and stops waiting when it is killed."""

import threading
from typing import Annotated

from pydantic import AfterValidator

from flows.definition.durations import format_duration, parse_duration
from flows.tasks.base import Json, RunContext, RunnableTask


def _duration(text: str) -> str:
    """ISO-8601, or a template that is read when the task runs."""
    if "{{" not in text and "{%" not in text:
        parse_duration(text)
    return text


class Sleep(RunnableTask):
    duration: Annotated[str, AfterValidator(_duration)]

    def run(self, context: RunContext) -> dict[str, Json] | None:
        stopped = threading.Event()
        context.on_kill(stopped.set)
        duration = parse_duration(context.render(self.duration))
        context.log("INFO", f"Waiting for {format_duration(duration)}")
        stopped.wait(duration.total_seconds())
        return None
