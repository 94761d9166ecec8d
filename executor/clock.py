"""The database's clock, as near as a process can know it: dates of all executors come from one clock."""

import time
from datetime import UTC, datetime, timedelta

from executor.connections import Connection

# Below this, what is measured is the way to the database and back, not a difference of clocks.
NOISE_SECONDS = 0.05


class Clock:
    def __init__(self) -> None:
        self._offset = timedelta(0)

    def now(self) -> datetime:
        return datetime.now(UTC) + self._offset

    def adjust(self, connection: Connection) -> None:
        """One round trip; called with each heartbeat. What it tells is no more exact than half of its own length: on a
        busy machine a long one must not move this process's clock away from the others'."""
        asked = time.time()
        row = connection.execute("SELECT extract(epoch FROM clock_timestamp())::float8").fetchone()
        assert row is not None
        answered = time.time()
        difference = float(row[0]) - (asked + answered) / 2
        if abs(difference) > NOISE_SECONDS + (answered - asked) / 2:
            self._offset = timedelta(seconds=difference)
        elif answered - asked <= NOISE_SECONDS:
            self._offset = timedelta(0)
