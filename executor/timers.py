"""Turns timers that fall due into messages, on time and once, whatever the number of executors."""

from executions.queue import postgres as queue
from executor.background import Background
from executor.connections import Connection
from executor.telemetry import count

# A timer set by an executor rings TIMERS; this is for a lost ring.
LONGEST_SLEEP = 5.0


class Timers(Background):
    name = "timers"
    channel = queue.TIMERS

    def turn(self, connection: Connection) -> float:
        """Wakes exactly at the next due date: it is asked for anew after each firing and each ring."""
        seconds = queue.seconds_to_next_timer(connection)
        if seconds is None:
            return LONGEST_SLEEP
        if seconds > 0:
            return min(seconds, LONGEST_SLEEP)
        fired = queue.fire_timers(connection)
        count("timers_fired", fired)
        # Late ones that others hold are theirs; do not spin while they commit.
        return 0.0 if fired else 0.02
