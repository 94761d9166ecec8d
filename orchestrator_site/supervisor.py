"""`manage.py up`: every process of one machine, started in order, watched, stopped in reverse order.

It stays in memory for as long as the product runs, so it loads no Django: what needs it happens in children.
"""

import errno
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from typing import Any

import psycopg
from django.core.exceptions import ImproperlyConfigured

from orchestrator_site import environment, in_force, postgres
from orchestrator_site.children import DEATHS_LIMIT, ROOT, Child
from orchestrator_site.environment import CelestaSettings
from orchestrator_site.postgres_cluster import Cluster

READY_SECONDS = 60.0
POLL_SECONDS = 0.1
WATCH_SECONDS = 0.5
NO_PROXY = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class ChildLost(Exception):
    """A child died for good, or never became ready."""


class Stopped(Exception):
    """SIGINT, SIGTERM or SIGHUP."""


def main() -> int:
    """Runs until it is told to stop. 0: stopped as asked; 1: a child died for good; 2: it could not begin."""
    try:
        settings = environment.read()
        _require_free_port(settings)
        _make_storage(settings)
    except (ImproperlyConfigured, postgres.PostgresError) as error:
        return _refuse(str(error))
    supervisor = Supervisor(settings)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, supervisor.ask_to_stop)
    return supervisor.run()


def _refuse(reason: str) -> int:
    print(f"celesta: {reason}", file=sys.stderr)
    return 2


def _require_free_port(settings: CelestaSettings) -> None:
    try:
        family, _, _, _, address = socket.getaddrinfo(settings.host, settings.port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError as error:
        where = f"{settings.host}:{settings.port}"
        if error.errno == errno.EADDRINUSE:
            raise ImproperlyConfigured(f"{where} is in use by another program: set CELESTA_PORT") from None
        raise ImproperlyConfigured(f"cannot listen on {where}: {error.strerror or error}") from None


def _make_storage(settings: CelestaSettings) -> None:
    try:
        settings.storage.mkdir(mode=0o700, parents=True, exist_ok=True)
        probe = settings.home / f".writable.{os.getpid()}"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise ImproperlyConfigured(
            f"cannot write to {settings.home}: {error.strerror or error}; set CELESTA_HOME"
        ) from None


class Supervisor:
    def __init__(self, settings: CelestaSettings) -> None:
        self.settings = settings
        self._stop_requests = 0
        self._cluster: Cluster | None = None
        self._print_lock = threading.Lock()
        self.children = [
            Child("executor", "run_executor", self.show),
            Child("worker", "run_worker", self.show, stop_seconds=20.0),
            Child("web", "run_web", self.show),
        ]
        if settings.otel:
            self.children.append(Child("otel", "run_otel", self.show, is_vital=False))

    def ask_to_stop(self, number: int, frame: object) -> None:
        self._stop_requests += 1
        if self._stop_requests == 1:
            raise Stopped(signal.Signals(number).name)

    def show(self, name: str, line: str) -> None:
        with self._print_lock:
            print(f"{name:<8} | {line}", flush=True)

    def run(self) -> int:
        try:
            with postgres.in_use() as self._cluster:
                return self._run_on_database()
        except (ImproperlyConfigured, postgres.PostgresError) as error:
            return _refuse(str(error))
        except Stopped:
            return 0

    def _run_on_database(self) -> int:
        try:
            for line in in_force.lines(self.settings, postgres.dsn()):
                self.show("celesta", line)
            outcome = self._prepare()
            for child in self.children:
                child.start()
                self._wait_until_ready(child)
            self._announce(outcome)
            self._watch()
        except Stopped as reason:
            self.show("celesta", f"{reason}: stopping")
            return 0
        except ChildLost as loss:
            self.show("celesta", str(loss))
            return 1
        finally:
            self._stop_children()
        return 0

    def _prepare(self) -> dict[str, Any]:
        """Migrations, administrator and example flows, in a process that gives its memory back."""
        done = self._manage("prepare", "--json")
        if done.returncode == 2:
            raise ImproperlyConfigured(done.stderr.strip().removeprefix("celesta: "))
        if done.returncode != 0:
            raise ChildLost(f"the database could not be prepared: {done.stderr.strip()}")
        outcome: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
        return outcome

    def _manage(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        command = [sys.executable, str(ROOT / "manage.py"), *arguments]
        return subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            start_new_session=True,
        )

    def _announce(self, outcome: dict[str, Any]) -> None:
        if outcome.get("password"):
            self.show("celesta", f"administrator {outcome['username']!r}, password {outcome['password']!r}")
            self.show("celesta", "(the password is shown this once; it is stored hashed)")
        if outcome.get("first_start"):
            done = self._manage("run_example")
            for line in (done.stdout if done.returncode == 0 else done.stdout + done.stderr).splitlines():
                self.show("celesta", line)
        self.show("celesta", f"ready: {self.settings.public_url}")

    def _watch(self) -> None:
        while True:
            self._tend()
            time.sleep(WATCH_SECONDS)

    def _tend(self) -> None:
        """Starts again what has died. Raises ChildLost for a child that keeps dying."""
        if self._cluster is not None and not postgres.is_kept(self._cluster):
            self.show("celesta", "the process that keeps PostgreSQL has died: starting it again")
            postgres.restore(self._cluster)
        for child in self.children:
            if child.has_died():
                if child.is_lost() and not child.is_vital:
                    child.start_again_at = None
                    self.show("celesta", f"{child.name} died {DEATHS_LIMIT} times: left out, all else goes on")
                    continue
                if child.is_lost():
                    raise ChildLost(f"{child.name} died {DEATHS_LIMIT} times ({child.how_it_ended()}): giving up")
                self.show("celesta", f"{child.name} died ({child.how_it_ended()}): starting it again")
            if child.is_due():
                child.start()

    def _wait_until_ready(self, child: Child) -> None:
        if not child.is_vital:
            return
        deadline = time.monotonic() + READY_SECONDS
        is_ready = self._answers if child.name == "web" else self._has_registered
        while not is_ready(child):
            self._tend()
            if time.monotonic() > deadline:
                raise ChildLost(f"{child.name} was not ready within {READY_SECONDS:g} s")
            time.sleep(POLL_SECONDS)

    def _answers(self, child: Child) -> bool:
        local = environment.local_url(self.settings.host, self.settings.port)
        return child.pid is not None and _is_ok(f"{local}/ready")

    def _has_registered(self, child: Child) -> bool:
        query = "SELECT 1 FROM service_instances WHERE kind = %s AND pid = %s AND host = %s AND state = 'RUNNING'"
        try:
            with psycopg.connect(postgres.configured().direct_conninfo, connect_timeout=5) as connection:
                found = connection.execute(query, [child.name, child.pid, socket.gethostname()]).fetchone()
        except psycopg.Error:
            return False
        return found is not None

    def _stop_children(self) -> None:
        self._stop_requests = max(1, self._stop_requests)  # no signal may interrupt this any more
        for child in reversed(self.children):
            child.stop(is_urgent=lambda: self._stop_requests > 1)
        self.show("celesta", "stopped")


def _is_ok(url: str) -> bool:
    try:
        with NO_PROXY.open(url, timeout=2) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False
