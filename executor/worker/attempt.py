"""One running attempt as the rest of the worker sees it: its logs, its metrics, and how it is stopped."""

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, TextIO

Json = Any
LEVELS = {"TRACE": 0, "DEBUG": 1, "INFO": 2, "WARN": 3, "WARNING": 3, "ERROR": 4}
_NAMES = ("TRACE", "DEBUG", "INFO", "WARN", "ERROR")
LINE_LIMIT = 256 * 1024  # characters of one log message
PART = 10 * 1024  # a longer message becomes several lines, as in Kestra
UNWRITTEN_LINES = 5_000  # a task that logs (or measures) faster than the database takes it is slowed down


def _as_it_is(value: Json) -> Json:
    return value


class Attempt:
    """Thread-safe: the task's thread writes, the watch and the control thread stop it."""

    def __init__(self, run_id: str, token: str, number: int, place: Mapping[str, Json]) -> None:
        self.run_id, self.token, self.number = run_id, token, number
        self.place = place  # the columns of its log lines and metrics that tell where they come from
        self.started_at = datetime.now(UTC)
        self.deadline: float | None = None
        self.timeout_text = ""
        self.announced = False
        self.finished = False
        self.stopped = False  # killed or timed out
        self.stopped_at = 0.0
        self.killed = False
        self.mask: Callable[[str], str] = str
        self.guard: Callable[[Json], Json] = _as_it_is  # marks the secrets inside outputs
        self.level = 0
        self.log_file: TextIO | None = None  # where its lines go instead of the database
        self._lock = threading.Lock()
        self._stops: list[Callable[[], None]] = []
        self._lines: list[dict[str, Json]] = []
        self._metrics: list[dict[str, Json]] = []
        self._inner: dict[str, dict[str, Json]] = {}

    def log(self, level: str, message: str, when: datetime | None = None) -> None:
        rank = LEVELS.get(level.upper(), 2)
        if rank < self.level:
            return
        text = self.mask(message)
        if len(text) > LINE_LIMIT:
            text = f"{text[:LINE_LIMIT]}… ({len(text)} characters, cut)"
        moment, thread = when or datetime.now(UTC), threading.current_thread().name
        for number, start in enumerate(range(0, max(len(text), 1), PART)):
            self._add_line(
                {
                    **self.place,
                    "attempt": self.number,
                    "level": rank,
                    "message": text[start : start + PART],
                    "thread": thread,
                    # Parts of one message stay in order by their dates too.
                    "timestamp": (moment + timedelta(milliseconds=number)).isoformat(),
                }
            )

    def _add_line(self, line: dict[str, Json]) -> None:
        if self.log_file is not None:
            with self._lock:
                self.log_file.write(f"{line['timestamp']} {_NAMES[line['level']]} {line['message']}\n")
            return
        self._wait_for_room()
        with self._lock:
            self._lines.append(line)

    def _wait_for_room(self) -> None:
        while self.unwritten() >= UNWRITTEN_LINES and not self.finished:
            time.sleep(0.01)

    def metric(self, name: str, value: float, kind: str, tags: Mapping[str, str] | None) -> None:
        row = {
            **self.place,
            "name": self.mask(name),
            "kind": kind,
            "value": float(value),
            "tags": {self.mask(key): self.mask(tag) for key, tag in (tags or {}).items()},
            "timestamp": datetime.now(UTC).isoformat(),
        }
        self._add_metric(row)

    def _add_metric(self, row: dict[str, Json]) -> None:
        self._wait_for_room()
        with self._lock:
            self._metrics.append(row)

    def drain(self) -> tuple[list[dict[str, Json]], list[dict[str, Json]]]:
        """The log lines and metrics not handed out yet."""
        with self._lock:
            lines, self._lines = self._lines, []
            metrics, self._metrics = self._metrics, []
        return lines, metrics

    def unwritten(self) -> int:
        return len(self._lines) + len(self._metrics)

    def tell_inner(self, run: dict[str, Json]) -> None:
        """A task run inside this one has begun or ended: what is known of it, for whoever follows the execution."""
        with self._lock:
            self._inner[run["id"]] = run

    @property
    def has_news(self) -> bool:
        return bool(self._inner)

    def drain_inner(self) -> list[dict[str, Json]]:
        """The task runs inside that have not been handed out since they changed."""
        with self._lock:
            inner, self._inner = self._inner, {}
        return list(inner.values())

    def on_stop(self, stop: Callable[[], None]) -> None:
        with self._lock:
            if not self.stopped:
                self._stops.append(stop)
                return
        stop()

    def finish(self) -> bool:
        """True for the one caller that may report the end."""
        with self._lock:
            first, self.finished = not self.finished, True
            return first

    def stop_aside(self, killed: bool) -> None:
        """`stop` in a thread of its own: ways to stop may take seconds (TERM, wait, KILL)."""
        threading.Thread(target=self.stop, args=(killed,), name="stop", daemon=True).start()

    def stop(self, killed: bool) -> None:
        """Kill or time out: every registered way to stop is tried once."""
        with self._lock:
            if self.stopped or self.finished:
                return
            self.killed = killed
            self.stopped_at = time.monotonic()
            self.stopped = True
            stops, self._stops = self._stops, []
        if not killed:
            self.log("WARN", f"{self.timeout_text}: the task is being stopped")
        self._carry_out(stops)

    def disown(self) -> None:
        """Others have the job now: what still runs of it is stopped, and its end is no longer ours to report."""
        if not self.finish():
            return
        with self._lock:
            self.killed = self.stopped = True
            stops, self._stops = self._stops, []
        threading.Thread(target=self._carry_out, args=(stops,), name="stop", daemon=True).start()

    def _carry_out(self, stops: Sequence[Callable[[], None]]) -> None:
        for stop in stops:
            # A way to stop that fails must not keep the others from being tried.
            try:
                stop()
            except Exception as error:
                self.log("WARN", f"could not stop cleanly: {error}")
