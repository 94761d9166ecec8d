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
        """One round trip; called with each heartbeat."""
        asked = time.time()
        row = connection.execute("SELECT extract(epoch FROM clock_timestamp())::float8").fetchone()
        assert row is not None
        difference = float(row[0]) - (asked + time.time()) / 2
        self._offset = timedelta(seconds=difference) if abs(difference) > NOISE_SECONDS else timedelta(0)
