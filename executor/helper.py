"""A further claim loop of a process: it helps while the first has more than it can take, and costs nothing otherwise."""

import os
import select
from contextlib import suppress

from executions.queue.postgres import Claimed
from executor.connections import Connection
from executor.handlers import Handler
from executor.loops import Loop, Ring
from executor.resolver import Resolver

# Loops that all listen race for the same few messages: at 100/s four of them tripled the latency of one.
LOOK = 0.05
# A batch that takes so long must not hold up what arrives meanwhile.
LONG = 0.025


class Helper(Loop):
    """Has no notifications and, until it is first needed, no connection."""

    listens = False

    def __init__(
        self, leader: Loop, name: str, handler: Handler, resolver: Resolver, poll: float, ring: Ring | None
    ) -> None:
        super().__init__(name, handler, resolver, poll, ring)
        self._leader = leader
        leader.helpers.append(self)

    def _claim_next(self, connection: Connection) -> list[Claimed]:
        """What the leader had passed before is passed here too: a helper that seldom finds anything would walk through
        all that was taken meanwhile, each time that it looks."""
        reached = self._leader.mark
        taken = super()._claim_next(connection)
        self.mark = max(self.mark, reached)
        return taken

    def _run(self) -> None:
        self._wait(0.0)
        super()._run()

    def _wait(self, seconds: float) -> None:
        while not self._stopping.is_set() and not self._inbox:
            if select.select([self._wake_read], [], [], LOOK)[0]:
                with suppress(BlockingIOError):
                    os.read(self._wake_read, 4096)
                return
            if self._leader.is_busy_for(LONG):
                return
