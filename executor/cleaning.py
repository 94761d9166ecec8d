"""The hourly cleaner: one executor of all does it, the others find it done."""

import time
from datetime import timedelta
from typing import Any

from executions.queue import cleaning
from executor.background import Background
from executor.connections import Connection
from executor.telemetry import count, tell


class Cleaner(Background):
    """`settings` are the retentions of the contract (QUEUES_*)."""

    name = "cleaner"

    def __init__(self, settings: Any) -> None:
        super().__init__()
        self._rules = cleaning.rules(settings.queues_retention, settings.queues_retention_high_cardinality)
        self._interval: timedelta = settings.queues_clean_interval
        self._due = time.monotonic() + self._interval.total_seconds()

    def turn(self, connection: Connection) -> float:
        seconds: float = self._due - time.monotonic()
        if seconds > 0:
            return min(seconds, 30.0)
        self._due = time.monotonic() + self._interval.total_seconds()
        if cleaning.take_turn(connection):
            try:
                removed = sum(cleaning.clean(connection, self._rules))
            finally:
                cleaning.end_turn(connection)
            count("messages_cleaned", removed)
            tell("queues.cleaned", removed=removed)
        return 1.0
