"""Killable processes for tasks that Python cannot interrupt: a few are kept warm, each runs one task at a time.

They are forked by a nursery (nursery.py), which has the code loaded and neither threads nor connections."""

import contextlib
import logging
import os
import pickle
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import orjson

from executor.worker.attempt import Attempt
from executor.worker.processes import MARK, TERM_SECONDS, Processes, end_group, kill_marked
from flows.tasks.base import RunnableTask, TaskFailure

Json = Any
log = logging.getLogger("celesta.worker")
WARM = 2  # idle processes kept; what they share with the nursery costs no memory
TASKS_EACH = 200  # then a process is replaced: what leaks in it goes with it
MEMORY_KB = 512 * 1024  # of its own; a larger one is not kept
START_SECONDS = 30.0
_LENGTH = struct.Struct("!I")


class Channel:
    """Whole messages over a stream socket. Several threads may send, one receives."""

    def __init__(self, stream: socket.socket) -> None:
        self.stream = stream
        self._lock = threading.Lock()

    def send(self, message: bytes) -> None:
        with self._lock:
            self.stream.sendall(_LENGTH.pack(len(message)) + message)

    def receive(self) -> bytes | None:
        """None when the other end is gone."""
        head = self._exactly(_LENGTH.size)
        return None if head is None else self._exactly(_LENGTH.unpack(head)[0])

    def _exactly(self, size: int) -> bytes | None:
        parts = bytearray()
        while len(parts) < size:
            try:
                part = self.stream.recv(min(size - len(parts), 1 << 20))
            except ConnectionError:
                return None
            if not part:
                return None
            parts += part
        return bytes(parts)

    def close(self) -> None:
        self.stream.close()


class Child:
    """One process, as its parent sees it."""

    def __init__(self, pid: int, channel: Channel, mark: str) -> None:
        self.pid, self._channel, self._mark = pid, channel, mark
        self.tasks = 0
        self.is_gone = False

    def run(self, order: Mapping[str, Any], attempt: Attempt) -> dict[str, Json] | None:
        """How the attempt ended, or None when the process died over it. Only the order is pickled: what comes
        back from the application's code is JSON."""
        self.tasks += 1
        mark = f"{self._mark}{attempt.run_id}/"
        with contextlib.suppress(ConnectionError):
            self._channel.send(pickle.dumps({**order, "mark": mark}))
        attempt.on_stop(lambda: self.stop(mark))
        while (message := self._channel.receive()) is not None:
            kind, *told = orjson.loads(message)
            if kind == "log":
                level, text, when = told
                attempt.log(level, text, datetime.fromisoformat(when))
            elif kind == "metric":
                attempt.metric(*told)
            else:
                ended: dict[str, Json] = told[0]
                return ended
        self.is_gone = True
        return None

    def stop(self, mark: str = "") -> None:
        """TERM to its group, five seconds, KILL; then what left the group but carries the task's mark."""
        end_group(self.pid, signal.SIGTERM)
        deadline = time.monotonic() + TERM_SECONDS
        while not self.is_gone and time.monotonic() < deadline:
            time.sleep(0.02)
        end_group(self.pid, signal.SIGKILL)
        if mark:
            kill_marked(mark)

    def dismiss(self) -> None:
        """It ends by itself when its channel is closed; whatever it left behind is ended too."""
        self._channel.close()
        end_group(self.pid, signal.SIGKILL)

    def is_worn(self) -> bool:
        return self.is_gone or self.tasks >= TASKS_EACH or self._own_memory() > MEMORY_KB

    def _own_memory(self) -> int:
        """In kB; shared pages belong to the nursery."""
        try:
            lines = Path(f"/proc/{self.pid}/smaps_rollup").read_text().splitlines()
        except OSError:
            return 0
        return sum(int(line.split()[1]) for line in lines if line.startswith(("Private_Clean:", "Private_Dirty:")))


class Children:
    """One per worker process; everything starts at first use."""

    def __init__(self, processes: Processes) -> None:
        self._processes = processes
        self._lock = threading.Lock()
        self._idle: list[Child] = []
        self._nursery: subprocess.Popen[bytes] | None = None
        self._control: socket.socket | None = None

    def run(
        self, payload: Mapping[str, Json], task: RunnableTask, directory: Path, attempt: Attempt
    ) -> dict[str, Json]:
        """The end of the attempt as the process tells it (`state`, `error`, `outputs`, `children`). Raises TaskFailure."""
        child = self._take()
        order = {
            "context": payload["context"],
            "task": task,
            "directory": str(directory),
            "run_id": attempt.run_id,
            "token": attempt.token,
            "number": attempt.number,
        }
        try:
            ended = child.run(order, attempt)
        except BaseException:
            child.is_gone = True
            raise
        finally:
            self._put_back(child, keep=not attempt.stopped)
        if ended is None:
            raise TaskFailure("The process of the task ended before the task did (killed, crashed or out of memory)")
        return ended

    def close(self) -> None:
        with self._lock:
            for child in self._idle:
                child.dismiss()
            self._idle.clear()
            if self._control is not None:
                self._control.close()
                self._control = None
            if self._nursery is not None:
                self._nursery.kill()
                self._nursery.wait()
                self._nursery = None

    def _take(self) -> Child:
        with self._lock:
            while self._idle:
                child = self._idle.pop()
                if not _has_ended(child):
                    return child
                child.dismiss()
            try:
                return self._new()
            except OSError as error:
                self._forget_nursery()
                raise TaskFailure(f"A process for the task could not be started: {error}") from None

    def _put_back(self, child: Child, keep: bool) -> None:
        if keep and not child.is_worn():
            with self._lock:
                if len(self._idle) < WARM and self._control is not None:
                    self._idle.append(child)
                    return
        child.is_gone = True
        child.dismiss()

    def _new(self) -> Child:
        control = self._nursery_control()
        ours, theirs = socket.socketpair()
        try:
            socket.send_fds(control, [b"f"], [theirs.fileno()])
            answer = control.recv(8)
        except OSError:
            ours.close()
            raise
        finally:
            theirs.close()
        if len(answer) < 8:
            ours.close()
            raise OSError("the nursery of task processes is gone")
        return Child(int.from_bytes(answer, "big"), Channel(ours), self._mark())

    def _mark(self) -> str:
        return f"{self._processes.mark}/child/"

    def _nursery_control(self) -> socket.socket:
        if self._nursery is not None and self._nursery.poll() is not None:
            self._forget_nursery()
        if self._control is None:
            self._processes.watch_over()
            ours, theirs = socket.socketpair()
            ours.settimeout(START_SECONDS)
            code = f"import sys; sys.path[:] = {sys.path!r}; from executor.worker.nursery import main; main()"
            with theirs:
                self._nursery = subprocess.Popen(
                    [sys.executable, "-c", code, str(theirs.fileno())],
                    pass_fds=[theirs.fileno()],
                    stdin=subprocess.DEVNULL,
                    env={**os.environ, MARK: self._mark()},
                    start_new_session=True,
                )
            self._control = ours
        return self._control

    def _forget_nursery(self) -> None:
        if self._control is not None:
            self._control.close()
        if self._nursery is not None:
            self._nursery.kill()
            self._nursery.wait()
        self._control = self._nursery = None


def _has_ended(child: Child) -> bool:
    """An idle child sends nothing: a readable channel is a closed one."""
    try:
        child._channel.stream.setblocking(False)
        return child._channel.stream.recv(1) == b""
    except BlockingIOError:
        child._channel.stream.setblocking(True)
        return False
    except OSError:
        return True
