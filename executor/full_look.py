"""When a whole table is looked at again: by claimers below their low-water mark (late committers, messages put back), by
the recovery for what nobody has any more."""

import time
from types import TracebackType

EVERY = 1.0  # seconds
# An old snapshot of another session keeps all dead rows in the way, and the look walks through them: with a hundred
# thousand it takes a second. It never takes more than a twentieth of the time, unless that makes it too seldom.
SHARE = 20
LONGEST = 60.0


class FullLook:
    """A context manager around each look; it measures what that took."""

    def __init__(self, every: float = EVERY) -> None:
        self._every = every
        self._due = self._begun = self._took = 0.0

    def is_due(self) -> bool:
        return time.monotonic() >= self._due

    def seconds_left(self) -> float:
        return self._due - time.monotonic()

    def ask(self) -> None:
        """For one now: on a new connection nothing is known."""
        self._due = 0.0

    def put_off(self, seconds: float) -> None:
        self._due = time.monotonic() + seconds

    def __enter__(self) -> None:
        self._begun = time.monotonic()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        before, self._took = self._took, time.monotonic() - self._begun
        # One that was held up by the machine says nothing of the table: two of them do.
        self.put_off(min(max(self._every, SHARE * min(before, self._took)), LONGEST))
