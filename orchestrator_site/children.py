"""One child process of the supervisor: start, prefixed output, back-off after a crash, stop."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FIRST_PAUSE_SECONDS = 0.5
LONGEST_PAUSE_SECONDS = 10.0
# A child that lived this long was not failing to start: its count of deaths begins anew.
STABLE_SECONDS = 60.0
DEATHS_LIMIT = 5

# Tells a child (see `command_line`) whose child it is, so that it ends with that process.
SUPERVISOR_VARIABLE = "CELESTA_SUPERVISOR_PID"


@dataclass(slots=True)
class Child:
    """`name` prefixes its output; `command` is the management command it runs."""

    name: str
    command: str
    show: Callable[[str, str], None]
    stop_seconds: float = 10.0
    is_vital: bool = True  # the product is given up with it
    process: "subprocess.Popen[bytes] | None" = None
    deaths: int = 0
    started: float = 0.0
    start_again_at: float | None = None
    last_code: int | None = None
    _reader: threading.Thread | None = field(default=None, repr=False)

    @property
    def pid(self) -> int | None:
        return self.process.pid if self.process else None

    def start(self) -> None:
        self.start_again_at = None
        self.started = time.monotonic()
        # A session of its own: Ctrl-C reaches the supervisor alone, which stops its children in order.
        self.process = subprocess.Popen(
            [sys.executable, str(ROOT / "manage.py"), self.command],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            env={**os.environ, SUPERVISOR_VARIABLE: str(os.getpid()), "PYTHONUNBUFFERED": "1"},
        )
        self._reader = threading.Thread(target=self._read, args=[self.process], daemon=True, name=f"log-{self.name}")
        self._reader.start()

    def has_died(self) -> bool:
        """True once for each death. Afterwards `start_again_at` says when to try again."""
        if self.process is None or self.process.poll() is None:
            return False
        self.last_code = self.process.returncode
        self.process = None
        if time.monotonic() - self.started > STABLE_SECONDS:
            self.deaths = 0
        self.deaths += 1
        pause = min(FIRST_PAUSE_SECONDS * 2 ** (self.deaths - 1), LONGEST_PAUSE_SECONDS)
        self.start_again_at = time.monotonic() + pause
        return True

    def is_lost(self) -> bool:
        return self.deaths >= DEATHS_LIMIT

    def is_due(self) -> bool:
        return self.start_again_at is not None and time.monotonic() >= self.start_again_at

    def how_it_ended(self) -> str:
        code = self.last_code or 0
        if code >= 0:
            return f"exit code {code}"
        try:
            return f"signal {signal.Signals(-code).name}"
        except ValueError:
            return f"signal {-code}"

    def stop(self, is_urgent: Callable[[], bool]) -> None:
        """SIGTERM and some time to finish, which ends as soon as it is urgent; then SIGKILL."""
        if self.process is None:
            return
        if self.process.poll() is None:
            self.process.terminate()
            deadline = time.monotonic() + self.stop_seconds
            while self.process.poll() is None and time.monotonic() < deadline and not is_urgent():
                time.sleep(0.02)
            if self.process.poll() is None:
                self.show("celesta", f"{self.name} did not stop in time: killed")
        # Also what it may have left in its session.
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        if self._reader is not None:
            self._reader.join(1)
        self.process = None

    def _read(self, process: "subprocess.Popen[bytes]") -> None:
        assert process.stdout is not None
        with process.stdout as output:
            for line in output:
                self.show(self.name, line.decode(errors="replace").rstrip("\n"))
