"""The far side of child.py: a process with everything loaded that forks one for each channel it is sent, and what these do.

Single-threaded and without connections, so that forking it is safe. Its children die with it, and it with the worker."""

import contextlib
import ctypes
import gc
import logging
import os
import pickle
import signal
import socket
import sys
import threading
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from types import FrameType
from typing import Any, TextIO

import django
import orjson

from executor.worker.attempt import Attempt
from executor.worker.child import Channel
from executor.worker.processes import MARK

Json = Any
_PR_SET_PDEATHSIG = 1


class Stopped(BaseException):
    """The task is killed: `finally` blocks run before the process goes."""


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "orchestrator_site.settings")
    django.setup()
    _load()
    gc.freeze()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for the children: the kernel buries them
    with socket.socket(fileno=int(sys.argv[1])) as control:
        while True:
            message, fds, _, _ = socket.recv_fds(control, 16, 1)
            if not message:
                return
            if (pid := os.fork()) == 0:
                control.close()
                _live(socket.socket(fileno=fds[0]))
            os.close(fds[0])
            control.send(pid.to_bytes(8, "big"))


def _load() -> None:
    """Everything that children share; an application's module that cannot be loaded is told of by the task itself."""
    from django.conf import settings

    import_module("executor.worker.run")
    import_module(settings.CELERY_APP.partition(":")[0])
    for module in settings.CELESTA.task_modules:
        with contextlib.suppress(Exception):
            import_module(module)


def _live(stream: socket.socket) -> None:
    """A child's whole life. Never returns into the nursery's loop."""
    try:
        parent = os.getppid()
        os.setsid()
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:
            os._exit(1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        signal.signal(signal.SIGTERM, _on_term)
        _serve(Channel(stream))
    except Stopped:
        pass
    except BaseException:
        logging.getLogger("celesta.worker").exception("a task process")
    os._exit(0)


def _on_term(number: int, frame: FrameType | None) -> None:
    raise Stopped


def _serve(channel: Channel) -> None:
    from executor.worker.tools import Tools

    tools = Tools()
    while (message := channel.receive()) is not None:
        order = pickle.loads(message)
        channel.send(orjson.dumps(["end", _carried_out(order, tools, channel)]))
    tools.close()


def _carried_out(order: Mapping[str, Any], tools: Any, channel: Channel) -> dict[str, Json]:
    from executor.worker.context import Context
    from executor.worker.outcome import carried_out

    # What the task starts by itself carries the mark of its run, and is ended with it.
    os.environ[MARK] = order["mark"]
    attempt = Told(channel, order["run_id"], order["token"], order["number"])
    context = Context(order["context"], order["task"], attempt, tools, Path(order["directory"]))
    with _printed(attempt):
        outcome = carried_out(order["task"], context, attempt)
    return {
        "state": outcome.state.value,
        "error": outcome.error,
        "outputs": outcome.outputs,
        "children": outcome.children,
    }


class Told(Attempt):
    """An attempt whose logs and metrics are told to the worker."""

    def __init__(self, channel: Channel, run_id: str, token: str, number: int) -> None:
        super().__init__(run_id, token, number, {})
        self._channel = channel

    def log(self, level: str, message: str, when: datetime | None = None) -> None:
        self._tell("log", level, self.mask(message), (when or datetime.now(UTC)).isoformat())

    def metric(self, name: str, value: float, kind: str, tags: Mapping[str, str] | None) -> None:
        shown = {self.mask(key): self.mask(tag) for key, tag in (tags or {}).items()}
        self._tell("metric", self.mask(name), value, kind, shown)

    def _tell(self, *told: Json) -> None:
        from executions.codec import dumps

        self._channel.send(dumps(told).encode("utf-8", "replace"))


class _Printed(logging.Handler):
    """What the task prints and logs in Python's own ways becomes lines of the execution's log."""

    def __init__(self, attempt: Attempt) -> None:
        super().__init__(logging.INFO)
        self._attempt = attempt
        self._local = threading.local()
        self._rest = ""

    def emit(self, record: logging.LogRecord) -> None:
        # Telling may log in turn. Celery's own lines repeat the result and the failure that we tell ourselves.
        if getattr(self._local, "busy", False) or record.name == "celery.app.trace":
            return
        self._local.busy = True
        try:
            self._attempt.log("WARN" if record.levelname == "WARNING" else _level(record), self.format(record))
        finally:
            self._local.busy = False

    def write(self, text: str) -> int:
        *lines, self._rest = (self._rest + text).split("\n")
        for line in lines:
            self._attempt.log("INFO", line)
        return len(text)

    def finish(self) -> None:
        if self._rest:
            self.write("\n")

    def isatty(self) -> bool:
        return False


def _level(record: logging.LogRecord) -> str:
    return {"DEBUG": "DEBUG", "INFO": "INFO"}.get(record.levelname, "ERROR")


@contextlib.contextmanager
def _printed(attempt: Attempt) -> Any:
    printed = _Printed(attempt)
    root = logging.getLogger()
    before = root.handlers[:], sys.stdout, sys.stderr
    root.handlers[:] = [printed]
    stream: TextIO = printed  # type: ignore[assignment]
    sys.stdout = sys.stderr = stream
    try:
        yield
    finally:
        root.handlers[:], sys.stdout, sys.stderr = before
        printed.finish()
