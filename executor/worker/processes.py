"""Runs a script as a process group of its own: bare environment, other user when we are root, killed with all it left."""

import logging
import os
import pwd
import resource
import selectors
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, cast

from executor.worker.attempt import Attempt
from executor.worker.programs import Programs

log = logging.getLogger("celesta.worker")
TERM_SECONDS = 5.0
# What background processes of an ended script may still print.
LINGER_SECONDS = 1.0
LINE_BYTES = 1 << 20
# Everything else (database, broker, secrets, keys) stays with the worker.
PASSED = ("PATH", "LANG", "LANGUAGE", "TZ", "SHELL", "TERM", "SSL_CERT_FILE", "SSL_CERT_DIR",
          "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy")  # fmt: skip
MARK = "CELESTA_TASK"
_REAPER = """trap '' HUP INT TERM QUIT
while read -r _; do :; done
for signal in TERM KILL; do
  for found in $(grep -lszF "$1" /proc/[0-9]*/environ 2>/dev/null); do
    pid=${found#/proc/}; kill -"$signal" "${pid%/environ}" 2>/dev/null
  done
  [ "$signal" = TERM ] && sleep 5
done"""

Line = Callable[[str, str], None]


class Processes:
    """One per worker. Should the worker die, a reaper that waits at the other end of a pipe ends its scripts."""

    def __init__(self, programs: Programs) -> None:
        self.mark = f"{os.getpid()}-{time.time_ns()}"
        self._lock = threading.Lock()
        self._reaper: subprocess.Popen[bytes] | None = None
        self.account = _account()
        self._programs = programs

    def environment(self, run_id: str) -> dict[str, str]:
        """What every script is given."""
        passed = {name: os.environ[name] for name in os.environ if name in PASSED or name.startswith("LC_")}
        passed["PATH"] = self._programs.path(passed.get("PATH") or "/usr/local/bin:/usr/bin:/bin", self.account)
        return passed | {MARK: f"{self.mark}/{run_id}/"}

    def run(
        self,
        command: Sequence[str],
        directory: Path,
        environment: Mapping[str, str],
        attempt: Attempt,
        on_line: Line,
        *,
        as_worker: bool = False,
    ) -> int:
        """The exit code (128 + n for signal n, as shells tell it). Raises OSError when it cannot be started."""
        self.watch_over()
        mine = self.environment(attempt.run_id) | {"HOME": str(directory)}
        account = None if as_worker else self.account
        if account is not None:
            self._give(directory)
        process = subprocess.Popen(
            list(command),
            cwd=directory,
            env={**mine, **environment, MARK: mine[MARK]},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
            user=account.pw_uid if account else None,
            group=account.pw_gid if account else None,
            extra_groups=[] if account else None,
        )
        try:
            self._limit(process.pid)
            attempt.on_stop(lambda: self._stop(process, mine[MARK]))
            Lines(process, on_line).read()
            code = process.wait()
        finally:
            end_group(process.pid, signal.SIGKILL)
            for stream in (process.stdout, process.stderr):
                if stream is not None:
                    stream.close()
        return code if code >= 0 else 128 - code

    def _give(self, directory: Path) -> None:
        """The script's user owns its folder and what was put there for it."""
        assert self.account is not None
        for folder, _, files in os.walk(directory):
            os.chown(folder, self.account.pw_uid, self.account.pw_gid)
            for name in files:
                os.chown(
                    os.path.join(folder, name),
                    self.account.pw_uid,
                    self.account.pw_gid,
                    follow_symlinks=False,
                )

    def _limit(self, pid: int) -> None:
        with suppress(OSError, ValueError):
            resource.prlimit(pid, resource.RLIMIT_CORE, (0, 0))
            if self.account is not None:
                resource.prlimit(pid, resource.RLIMIT_NPROC, (4096, 4096))

    def _stop(self, process: "subprocess.Popen[bytes]", mark: str) -> None:
        """TERM, five seconds, KILL; then whatever left the group but still carries our mark."""
        end_group(process.pid, signal.SIGTERM)
        deadline = time.monotonic() + TERM_SECONDS
        while process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.05)
        end_group(process.pid, signal.SIGKILL)
        for _ in range(3):
            if not kill_marked(mark):
                break
            time.sleep(0.05)

    def watch_over(self) -> None:
        with self._lock:
            if self._reaper is None or self._reaper.poll() is not None:
                self._reaper = subprocess.Popen(
                    ["/bin/sh", "-c", _REAPER, "celesta-reaper", f"{MARK}={self.mark}/"],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                    env={"PATH": "/usr/bin:/bin"},
                    cwd="/",
                    start_new_session=True,
                )

    def close(self) -> None:
        """Nothing runs any more: the reaper has nothing to do."""
        with self._lock:
            if self._reaper is not None:
                self._reaper.kill()
                self._reaper.wait()
                if self._reaper.stdin is not None:
                    self._reaper.stdin.close()
                self._reaper = None


class Lines:
    """Both streams of a process, line by line, in one thread."""

    def __init__(self, process: "subprocess.Popen[bytes]", on_line: Line) -> None:
        assert process.stdout is not None and process.stderr is not None
        self._process, self._on_line = process, on_line
        self._streams: dict[IO[bytes], tuple[str, bytearray]] = {
            process.stdout: ("out", bytearray()),
            process.stderr: ("err", bytearray()),
        }

    def read(self) -> None:
        """Until both are closed, or the process has ended and those it left behind go on holding them."""
        ended: float | None = None
        with selectors.DefaultSelector() as selector:
            for stream in self._streams:
                os.set_blocking(stream.fileno(), False)
                selector.register(stream, selectors.EVENT_READ)
            while selector.get_map():
                for key, _ in selector.select(0.2):
                    stream = cast("IO[bytes]", key.fileobj)
                    if not self._take(stream):
                        selector.unregister(stream)
                if self._process.poll() is not None:
                    ended = ended or time.monotonic()
                    if time.monotonic() - ended > LINGER_SECONDS:
                        break
        for name, rest in self._streams.values():
            if rest:
                self._tell(name, bytes(rest))

    def _take(self, stream: IO[bytes]) -> bool:
        name, rest = self._streams[stream]
        try:
            chunk = os.read(stream.fileno(), 65_536)
        except BlockingIOError:
            return True
        rest += chunk
        *lines, last = rest.split(b"\n")
        rest[:] = last
        for line in lines:
            self._tell(name, bytes(line))
        while len(rest) > LINE_BYTES:
            self._tell(name, bytes(rest[:LINE_BYTES]))
            del rest[:LINE_BYTES]
        return bool(chunk)

    def _tell(self, name: str, line: bytes) -> None:
        self._on_line(name, line.decode("utf-8", "replace").removesuffix("\r"))


def end_group(pid: int, number: signal.Signals) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, number)


def kill_marked(mark: str) -> int:
    """Processes that left their group (setsid, double fork) keep their environment."""
    wanted, count = f"{MARK}={mark}".encode(), 0
    for entry in Path("/proc").glob("[0-9]*/environ"):
        with suppress(OSError):
            if wanted in entry.read_bytes():
                os.kill(int(entry.parent.name), signal.SIGKILL)
                count += 1
    return count


def _account() -> "pwd.struct_passwd | None":
    """Who scripts run as: when we are root, somebody else (WORKER_SCRIPT_USER, `root` to stay root)."""
    name = os.environ.get("WORKER_SCRIPT_USER") or "nobody"
    if os.geteuid() != 0 or name == "root":
        return None
    try:
        return pwd.getpwnam(name)
    except KeyError:
        log.warning("there is no user %s: scripts run as root", name)
        return None
