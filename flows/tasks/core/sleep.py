"""core.flow.Sleep: waits, and stops waiting when it is killed."""

import threading

from flows.definition.durations import format_duration, parse_duration
from flows.tasks.base import Json, RunContext, RunnableTask


class Sleep(RunnableTask):
    duration: str  # ISO-8601, or a template of it

    def run(self, context: RunContext) -> dict[str, Json] | None:
        stopped = threading.Event()
        context.on_kill(stopped.set)
        duration = parse_duration(context.render(self.duration))
        context.log("INFO", f"Waiting for {format_duration(duration)}")
        stopped.wait(duration.total_seconds())
        return None
