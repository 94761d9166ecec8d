"""jq programs, run in one killable process with limits: a jq program cannot be interrupted and may eat all memory.

Run as a module it is that process: a line of JSON in, a line of JSON out.
"""

import re
import resource
import select
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import orjson

Json = Any
_ROOT = Path(__file__).resolve().parent.parent
_FILES = re.compile(r"\b(?:import|include)\s*(?:#[^\n]*\n\s*)*\"")  # modules and data of this machine
SECONDS = 2.0
START_SECONDS = 10.0
MEMORY = 512 << 20
MOST_ANSWERS = 10_000
MOST_BYTES = 10 << 20


class JqFailure(Exception):
    """The message is for the user."""


class Runner:
    """Thread-safe: one program at a time; the process is made at first use and again after it had to be killed."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None

    def run(self, program: str, value: Json) -> list[Json]:
        """Raises JqFailure."""
        if _FILES.search(program):
            raise JqFailure("A jq program must not import files")
        request = orjson.dumps({"program": program, "value": value}, default=str) + b"\n"
        with self._lock:
            process = self._running()
            line = self._asked(process, request)
        answer = orjson.loads(line)
        if "error" in answer:
            raise JqFailure(str(answer["error"]))
        found: list[Json] = answer["values"]
        return found

    def close(self) -> None:
        with self._lock:
            if self._process is not None:
                self._end(self._process)

    def _running(self) -> "subprocess.Popen[bytes]":
        if self._process is None or self._process.poll() is not None:
            command = [sys.executable, "-m", "executions.jq_process"]
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                bufsize=0,
                cwd=_ROOT,
                env={"PATH": "/usr/bin:/bin"},  # programs can read the environment, where secrets are
                start_new_session=True,
            )
            if self._line(self._process, START_SECONDS) is None:
                self._end(self._process)
                raise JqFailure("jq cannot be started")
        return self._process

    def _asked(self, process: "subprocess.Popen[bytes]", request: bytes) -> bytes:
        assert process.stdin is not None
        try:
            process.stdin.write(request)
            line = self._line(process, SECONDS)
        except OSError:
            line = b""
        if line:
            return line
        self._end(process)
        raise JqFailure(
            f"The jq program took longer than {SECONDS:g} seconds"
            if line is None
            else "The jq program took too much memory"
        )

    def _line(self, process: "subprocess.Popen[bytes]", seconds: float) -> bytes | None:
        """None when there is none in time; empty when the process is gone."""
        assert process.stdout is not None
        parts: list[bytes] = []
        while select.select([process.stdout], [], [], seconds)[0]:
            part = process.stdout.read(1 << 20)
            if not part:
                return b""
            parts.append(part)
            if part.endswith(b"\n"):
                return b"".join(parts)
        return None

    def _end(self, process: "subprocess.Popen[bytes]") -> None:
        self._process = None
        process.kill()
        process.wait()
        for stream in (process.stdin, process.stdout):
            if stream is not None:
                stream.close()


_runner = Runner()


def run(program: str, value: Json) -> list[Json]:
    """All that the program gives for the value. Raises JqFailure."""
    return _runner.run(program, value)


def main() -> None:
    import jq

    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    for line in sys.stdin.buffer:
        request = orjson.loads(line)
        try:
            values = []
            for value in jq.compile(request["program"]).input_value(request["value"]):
                values.append(value)
                if len(values) > MOST_ANSWERS:
                    raise ValueError(f"The jq program gives more than {MOST_ANSWERS:,} values")
            answer = orjson.dumps({"values": values})
            if len(answer) > MOST_BYTES:
                answer = orjson.dumps({"error": "The jq program gives too much"})
        except MemoryError:
            return
        except Exception as error:
            reason = str(error).removeprefix("jq: error: ").splitlines() or [type(error).__name__]
            answer = orjson.dumps({"error": f"Cannot run jq `{request['program'][:200]}`: {reason[0]}"})
        sys.stdout.buffer.write(answer + b"\n")
        sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
