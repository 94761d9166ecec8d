"""What the transport asks for more work: waits for a notification or a free thread, claims, gives back in time."""

import logging
import select
import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from os import read
from typing import Any

from executor.full_look import FullLook
from executor.worker.claims import Claims
from executor.worker.connect import LOST, first_line
from executor.worker.identity import Identity
from executor.worker.slots import PATIENCE, Held, Slots

log = logging.getLogger("celesta.worker")
IDLE_POLL = 0.5
SHORTEST_WAIT = 0.02  # a look that is due is not taken while no thread is free


class Feed:
    """Used by one thread."""

    def __init__(
        self, slots: Slots, claims: Claims, identity: Identity, lock_out: Callable[[], bool], poll: float = IDLE_POLL
    ) -> None:
        """`poll`: seconds until the first look without a notification; doubled up to IDLE_POLL while there is nothing."""
        self._slots, self._claims, self._identity, self._lock_out = slots, claims, identity, lock_out
        self._listening: Any = None
        self._announced = True
        self._full_look = FullLook()
        self._pause = 0.05
        self._poll = self._idle = poll

    def next_jobs(self, queues: Sequence[str], timeout: float) -> list[Held]:
        """Claimed jobs as soon as there are some; [] when `timeout` seconds passed without."""
        deadline = time.monotonic() + timeout
        while not self._lock_out():
            try:
                self._give_back_overdue()
                jobs = self._claim(queues)
                self._pause = 0.05
            except LOST as error:
                log.warning("no claims: %s", first_line(error))
                time.sleep(self._pause)
                self._pause = min(self._pause * 2, 2.0)
                jobs = []
            left = deadline - time.monotonic()
            if jobs or left <= 0:
                return jobs
            self._wait(left)
        time.sleep(max(0.0, min(0.2, deadline - time.monotonic())))  # drained for long, it must not spin
        return []

    def _give_back_overdue(self) -> None:
        late = self._slots.overdue()
        if late:
            self._claims.give_back(late)

    def _claim(self, queues: Sequence[str]) -> list[Held]:
        everywhere = self._full_look.is_due()
        if not (everywhere or self._announced or self._slots.hungry) or not self._identity.is_fresh():
            return []
        room = self._slots.room()
        if room <= 0:
            # Whoever ends a task next wakes this thread.
            self._slots.hungry = True
            return []
        self._announced = False
        jobs: list[Held] = []
        with self._full_look if everywhere else nullcontext():
            for queue in queues:
                if room > len(jobs):
                    jobs += self._claims.claim(self._identity.id, queue, room - len(jobs), everywhere=everywhere)
        self._slots.hungry = len(jobs) >= room
        if jobs:
            self._idle = self._poll
        return jobs

    def _wait(self, left: float) -> None:
        left = min(left, max(self._full_look.seconds_left(), SHORTEST_WAIT), self._idle)
        if self._slots.is_waiting():
            left = min(left, PATIENCE)
        sources: list[Any] = [self._slots.wake_reader]
        try:
            connection = self._listen()
            sources.append(connection.fileno())
        except LOST:
            left = min(left, 0.2)
        readable = select.select(sources, [], [], max(left, 0.0))[0]
        if not readable and left >= self._idle:
            self._announced = True  # notifications may be lost: look all the same
            self._idle = min(self._idle * 2, IDLE_POLL)
        if self._slots.wake_reader in readable:
            read(self._slots.wake_reader, 4096)
        if len(readable) > 1 or (readable and readable[0] != self._slots.wake_reader):
            self._read_notifications()

    def _listen(self) -> Any:
        connection = self._claims.connection.get()
        if connection is not self._listening:
            connection.add_notify_handler(self._on_notification)
            connection.execute("LISTEN celesta_jobs")
            self._listening = connection
            self._announced = True
            self._full_look.ask()
        return connection

    def _on_notification(self, notification: Any) -> None:
        """Also called when one arrives together with the answer to a claim."""
        self._announced = True
        if notification.payload == "r":
            self._full_look.ask()

    def _read_notifications(self) -> None:
        try:
            raw = self._listening.pgconn
            raw.consume_input()
            while (notification := raw.notifies()) is not None:
                self._announced = True
                if notification.extra == b"r":
                    self._full_look.ask()
        except LOST:
            self._claims.connection.lost()
