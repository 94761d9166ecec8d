"""One executor process: its loops started together, stopped gracefully. Signals belong to the command."""

import threading

from django.conf import settings

from executions import garbage
from executor.background import Background
from executor.cache import StateCache
from executor.cleaning import Cleaner
from executor.clock import Clock
from executor.connections import connect
from executor.handlers import Handler
from executor.helper import Helper
from executor.loops import Loop, Ring
from executor.recovery import Recovery
from executor.resolver import Resolver
from executor.telemetry import tell
from executor.timers import Timers

STOP_SECONDS = 30.0


class Executor:
    """Any number of them may run side by side."""

    def __init__(self, threads: int | None = None, poll_ms: int | None = None, ring: Ring | None = None) -> None:
        """`ring` tells brokers that do not live in the database of new jobs."""
        celesta = settings.CELESTA
        threads = threads or celesta.executor_threads
        poll = (poll_ms or celesta.executor_poll_ms) / 1000
        self.clock = Clock()
        self.resolver = Resolver()
        handler = Handler(StateCache(), self.clock.now)
        first = Loop("loop-1", handler, self.resolver, poll, ring)
        others = range(2, threads + 1)
        self.loops = [first, *(Helper(first, f"loop-{n}", handler, self.resolver, poll, ring) for n in others)]
        self.recovery = Recovery(self.clock, threads, ring)
        self.backgrounds: list[Background] = [self.recovery, Timers(), Cleaner(celesta)]
        self._stopped = threading.Event()

    def start(self) -> None:
        """Raises when the database cannot be reached: later losses are survived."""
        connect("start", autocommit=True).close()
        for loop in self.loops:
            loop.thread.start()
        for background in self.backgrounds:
            background.start()
        garbage.settle()
        tell("executor.started", id=self.recovery.id, loops=len(self.loops))

    def stop(self) -> None:
        """Batches at hand are finished; nothing new is claimed. The row goes last."""
        tell("executor.stopping", id=self.recovery.id)
        parts: list[Loop | Background] = [*self.loops, *self.backgrounds[1:]]
        for part in parts:
            part.stop()
        for part in parts:
            part.thread.join(STOP_SECONDS)
        self.resolver.stop()
        self.recovery.stop()
        self.recovery.thread.join(STOP_SECONDS)
        tell("executor.stopped", id=self.recovery.id)
