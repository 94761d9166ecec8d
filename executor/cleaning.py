"""The hourly cleaner of messages and of what the retention rules give up: one executor of all does it."""

import time
from datetime import timedelta
from typing import Any

from executions import audit, purging, triggering
from executions.queue import cleaning
from executions.storage.site import current as current_storage
from executor.background import Background
from executor.connections import Connection
from executor.telemetry import count, tell

# Executors that were all down for longer: `manage.py purge_executions` catches up.
LOOK_BACK = timedelta(days=2)
LINEAGE = timedelta(days=7)
FIRST_SECONDS = 60.0


class Cleaner(Background):
    """`settings` are the retentions of the contract (QUEUES_*)."""

    name = "cleaner"

    def __init__(self, settings: Any) -> None:
        super().__init__()
        self._retention = settings.retention
        self._audit_retention: timedelta | None = settings.audit_retention
        self._rules = cleaning.rules(settings.queues_retention, settings.queues_retention_high_cardinality)
        self._interval: timedelta = settings.queues_clean_interval
        # Also where no executor lives for a whole interval.
        self._due = time.monotonic() + min(self._interval.total_seconds(), FIRST_SECONDS)

    def turn(self, connection: Connection) -> float:
        seconds: float = self._due - time.monotonic()
        if seconds > 0:
            return min(seconds, 30.0)
        self._due = time.monotonic() + self._interval.total_seconds()
        if cleaning.take_turn(connection):
            try:
                removed = sum(cleaning.clean(connection, self._rules))
                triggering.forget_lineages(connection, LINEAGE.total_seconds())
                self._purge(connection)
                if self._audit_retention is not None:
                    tell("audit.purged", rows=audit.purge(connection, self._audit_retention.total_seconds()))
            finally:
                cleaning.end_turn(connection)
            count("messages_cleaned", removed)
            tell("queues.cleaned", removed=removed)
        return 1.0

    def _purge(self, connection: Connection) -> None:
        if not self._retention:
            return
        gone = purging.Tally()
        for _, batch in purging.apply(connection, current_storage(), self._retention, span=LOOK_BACK):
            gone.add(batch)
            if self._stopping.is_set():
                break
        count("executions_purged", gone.executions)
        tell("executions.purged", executions=gone.executions, logs=gone.logs, metrics=gone.metrics, files=gone.files)
