"""Real Redis and RabbitMQ servers of the operating system's packages, each in a folder of its own, on loopback."""

import os
import shutil
import signal
import socket
import subprocess
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from tests.plant import eventually, find_free_port


class Broker:
    """`kill` is a kill -9; `start` brings it back with what it has kept."""

    url = ""

    def __init__(self, program: str, folder: Path) -> None:
        self._program, self._folder, self.port = program, folder, find_free_port()

    def start(self) -> "Broker":
        with (self._folder / "broker.log").open("a") as log:
            self.process = subprocess.Popen(
                self._command(), env=self._environment(), stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                start_new_session=True, cwd=self._folder,
            )  # fmt: skip
        eventually(self._answers, 60, lambda: (self._folder / "broker.log").read_text()[-2000:])
        return self

    def kill(self) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def end(self) -> None:
        self.kill()

    def lose_messages(self) -> int:
        """All that wait; how many. None before the queue was first used."""
        from kombu import Connection

        with Connection(self.url) as connection:
            try:
                return int(connection.channel().queue_purge("default") or 0)
            except connection.channel_errors:
                return 0

    def double(self, jobs: Sequence[tuple[int, str]]) -> None:
        """Messages for jobs that were rung for already."""
        from orchestrator_site.celery import app

        with app.connection_for_write(self.url) as connection:
            producer = app.amqp.Producer(connection)
            for job in jobs:
                app.send_task("celesta.run", args=[[job]], queue="default", producer=producer, retry=False)

    def _command(self) -> list[str]:
        raise NotImplementedError

    def _environment(self) -> dict[str, str]:
        return {"PATH": os.environ["PATH"], "HOME": str(self._folder), "LANG": "C.UTF-8"}

    def _answers(self) -> bool:
        with suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1):
            return True
        return False


class Redis(Broker):
    package = "redis-server"

    @classmethod
    def find(cls) -> str | None:
        return shutil.which("redis-server")

    @property
    def url(self) -> str:  # type: ignore[override]
        return f"redis://127.0.0.1:{self.port}/0"

    def _command(self) -> list[str]:
        return [self._program, "--port", str(self.port), "--save", "", "--bind", "127.0.0.1"]


class RabbitMQ(Broker):
    package = "rabbitmq-server"

    @classmethod
    def find(cls) -> str | None:
        """Not the wrapper of the package, which wants an account of its own."""
        program = "/usr/lib/rabbitmq/bin/rabbitmq-server"
        return program if os.access(program, os.X_OK) else None

    def __init__(self, program: str, folder: Path) -> None:
        super().__init__(program, folder)
        self._names, self._distribution = find_free_port(), find_free_port()
        self._name_server: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:  # type: ignore[override]
        return f"amqp://guest:guest@127.0.0.1:{self.port}//"

    def _command(self) -> list[str]:
        return [self._program]

    def _environment(self) -> dict[str, str]:
        folder = str(self._folder)
        (self._folder / "plugins").touch()
        return super()._environment() | {
            "RABBITMQ_NODENAME": f"celesta{self.port}@localhost",
            "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODE_PORT": str(self.port),
            "RABBITMQ_DIST_PORT": str(self._distribution),
            "RABBITMQ_MNESIA_BASE": folder,
            "RABBITMQ_LOG_BASE": folder,
            "RABBITMQ_ENABLED_PLUGINS_FILE": f"{folder}/plugins",
            "RABBITMQ_CONFIG_FILE": f"{folder}/none",
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "ERL_EPMD_PORT": str(self._names),
        }

    def start(self) -> "Broker":
        """Erlang's name server is started first, as a child of ours: left to RabbitMQ it would outlive it as a daemon."""
        if self._name_server is None:
            epmd = shutil.which("epmd")
            assert epmd is not None, "RabbitMQ comes with Erlang's epmd"
            self._name_server = subprocess.Popen(
                [epmd, "-port", str(self._names), "-address", "127.0.0.1"],
                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            )  # fmt: skip
        return super().start()

    def end(self) -> None:
        self.kill()
        if self._name_server is not None:
            self._name_server.kill()
            self._name_server.wait()


KINDS: dict[str, Any] = {"redis": Redis, "rabbitmq": RabbitMQ}
