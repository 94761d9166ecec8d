"""Real processes on a database of their own, and a checker of what must be true after any fault. For acceptance and fault tests."""

import json
import os
import random
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from base64 import b64encode
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psycopg

ROOT = Path(__file__).resolve().parent.parent
OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))
USERNAME, PASSWORD = "admin", "pw-of-the-plant"
TERMINAL = ("SUCCESS", "WARNING", "FAILED", "KILLED", "CANCELLED", "RETRIED", "SKIPPED")


def eventually(question: Callable[[], Any], seconds: float = 30, what: object = "it", every: float = 0.02) -> Any:
    """Polls until the answer is true; the answer."""
    deadline = time.monotonic() + seconds
    while not (answer := question()):
        if time.monotonic() > deadline:
            raise AssertionError(f"{what() if callable(what) else what} did not happen within {seconds:g} s")
        time.sleep(every)
    return answer


def find_free_port() -> int:
    """Below 32768, where the kernel gives out no port by itself."""
    for port in random.sample(range(20_000, 32_700), 100):
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise RuntimeError("no free port")


def size(small: int, full: int) -> int:
    """`make test` runs small sizes, `make faults` full ones."""
    return full if os.environ.get("CELESTA_TEST_FULL") else small


class Process:
    """One management command. `kill` is a kill -9."""

    def __init__(self, plant: "Plant", command: str, arguments: Sequence[str], variables: dict[str, str]) -> None:
        self._plant, self.command, self._arguments, self._variables = plant, command, arguments, variables
        self.log = plant.folder / f"{command}-{len(plant.processes)}.log"
        self.popen = self._start()

    def _start(self) -> "subprocess.Popen[bytes]":
        with self.log.open("a") as log:
            return subprocess.Popen(
                [sys.executable, str(ROOT / "manage.py"), self.command, *self._arguments],
                env={**self._plant.environment, **self._variables},
                stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, cwd=ROOT, start_new_session=True,
            )  # fmt: skip

    @property
    def pid(self) -> int:
        return self.popen.pid

    def said(self) -> str:
        return self.log.read_text(errors="replace")

    def is_enlisted(self) -> bool:
        assert self.popen.poll() is None, self.said()
        return bool(self._plant.value("SELECT count(*) FROM service_instances WHERE pid = %s", self.pid))

    def wait_until_ready(self, seconds: float = 60) -> "Process":
        eventually(self.is_enlisted, seconds, f"the start of {self.command}")
        return self

    def kill(self) -> None:
        self.popen.kill()
        self.popen.wait()

    def restart(self) -> None:
        """A new process in the place of a killed one."""
        self.popen = self._start()

    def freeze(self) -> None:
        os.kill(self.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        os.kill(self.pid, signal.SIGCONT)

    def stop(self, seconds: float = 40) -> int:
        self.popen.terminate()
        return self.popen.wait(seconds)

    def end(self) -> None:
        with suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGCONT)
        with suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        self.popen.wait()


class Plant:
    """Executors, workers and web processes on one database, to which this process's own Django points as well."""

    def __init__(self, conninfo: str, folder: Path) -> None:
        from orchestrator_site.children import SUPERVISOR_VARIABLE
        from orchestrator_site.postgres import url_of

        self.conninfo, self.folder = conninfo, folder
        self.processes: list[Process] = []
        self.port = 0
        self.environment = {
            **os.environ,
            "DATABASE_URL": url_of(conninfo),
            "CELESTA_HOME": str(folder / "home"),
            "CELESTA_ADMIN_USERNAME": USERNAME,
            "CELESTA_ADMIN_PASSWORD": PASSWORD,
            SUPERVISOR_VARIABLE: str(os.getpid()),  # a test run that is killed leaves nothing behind
        }
        self._connection: psycopg.Connection[Any] | None = None

    # --- processes

    def start(self, command: str, *arguments: str, **variables: str) -> Process:
        process = Process(self, command, arguments, variables)
        self.processes.append(process)
        return process

    def executor(self, *arguments: str, **variables: str) -> Process:
        return self.start("run_executor", *arguments, **variables)

    def worker(self, *arguments: str, **variables: str) -> Process:
        return self.start("run_worker", *(arguments or ("-c", "8")), **variables)

    def web(self, port: int, **variables: str) -> Process:
        self.port = port
        self._administrator()
        process = self.start("run_web", CELESTA_PORT=str(port), **variables)
        eventually(lambda: self.get("/health", none_on_error=True), 60, lambda: f"the web process: {process.said()}")
        return process

    def _administrator(self) -> None:
        from django.contrib.auth.models import User

        if not User.objects.filter(username=USERNAME).exists():
            User.objects.create_superuser(USERNAME, password=PASSWORD)

    def end(self) -> None:
        for process in self.processes:
            process.end()
        if self._connection is not None:
            self._connection.close()

    # --- the database

    @property
    def connection(self) -> "psycopg.Connection[Any]":
        """Opened again when a test has broken it."""
        if self._connection is None or self._connection.closed:
            self._connection = psycopg.connect(self.conninfo, autocommit=True, application_name="the test")
        return self._connection

    def rows(self, query: str, *parameters: Any) -> list[Any]:
        for _ in range(200):
            try:
                return self.connection.execute(query, parameters).fetchall()
            except psycopg.OperationalError:
                time.sleep(0.05)  # the server is being restarted
        raise AssertionError("the database does not come back")

    def value(self, query: str, *parameters: Any) -> Any:
        found = self.rows(query, *parameters)
        return found[0][0] if found else None

    # --- flows and executions, in this process

    def define(self, source: str) -> None:
        from flows import catalog

        catalog.save(source)

    def trigger(self, flow_id: str, count: int = 1, namespace: str = "company.team", **inputs: Any) -> list[str]:
        """Ids of new executions, committed together."""
        from django.db import transaction

        from executions import actions

        with transaction.atomic():
            return [actions.trigger(namespace, flow_id, inputs).id for _ in range(count)]

    def open(self) -> int:
        return int(self.value("SELECT count(*) FROM executions WHERE state <> ALL(%s)", list(TERMINAL)))

    def wait_until_ended(self, seconds: float = 60) -> None:
        """All executions there are."""
        eventually(lambda: self.open() == 0, seconds, lambda: f"the end of all executions ({self.left()})", every=0.1)

    def left(self) -> str:
        """What a stuck execution is stuck on."""
        jobs = self.rows("SELECT task_type, claimed_by, count(*) FROM worker_jobs GROUP BY 1, 2 LIMIT 10")
        work = self.rows("SELECT type, tries, count(*) FROM queues WHERE NOT stream GROUP BY 1, 2 LIMIT 10")
        states = self.rows("SELECT state, count(*) FROM executions GROUP BY 1")
        alive = self.rows("SELECT id, kind, pid, clock_timestamp() - beat FROM service_instances")
        logs = "\n".join(f"--- {process.log.name}\n{process.said()[-3000:]}" for process in self.processes)
        return f"states {states}, jobs {jobs}, work {work}, alive {alive}\n{logs}"

    # --- REST

    def request(self, method: str, path: str, body: bytes | None = None, content: str = "") -> tuple[int, Any]:
        """Status and decoded JSON (or text)."""
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", data=body, method=method)
        request.add_header("Authorization", authorization())
        if content:
            request.add_header("Content-Type", content)
        try:
            with OPENER.open(request, timeout=60) as answer:
                return answer.status, _decoded(answer.read())
        except urllib.error.HTTPError as error:
            return error.code, _decoded(error.read())

    def get(self, path: str, *, none_on_error: bool = False) -> Any:
        try:
            return self.request("GET", path)[1]
        except OSError:
            if none_on_error:
                return None
            raise


def authorization() -> str:
    return "Basic " + b64encode(f"{USERNAME}:{PASSWORD}".encode()).decode()


def _decoded(body: bytes) -> Any:
    try:
        return json.loads(body)
    except ValueError:
        return body.decode(errors="replace")


@contextmanager
def django_on(conninfo: str) -> Iterator[None]:
    """This process's Django works on another database inside the block."""
    from django.conf import settings
    from django.db import connections

    from flows import catalog
    from orchestrator_site.postgres import Database

    default = connections["default"]
    default.close()
    before = dict(connections.settings["default"]), settings.DATABASE_DSN, settings.DATABASE_DIRECT_DSN
    changed = Database(conninfo, conninfo).django
    for one in (connections.settings["default"], default.settings_dict):
        one.update(changed)
    settings.DATABASE_DSN = settings.DATABASE_DIRECT_DSN = conninfo
    catalog.forget()
    try:
        yield
    finally:
        connections["default"].close()
        for one in (connections.settings["default"], default.settings_dict):
            one.update({key: before[0][key] for key in changed})
        settings.DATABASE_DSN, settings.DATABASE_DIRECT_DSN = before[1:]
        catalog.forget()


# --- what must be true afterwards


def faults_of(plant: Plant, runs: int | None = None, most_lost: int = 0) -> list[str]:
    """Violations of the invariants, one line each; none when every execution ended exactly once and nothing is left.

    `runs`: task runs of each execution. `most_lost`: lost attempts allowed per task run."""
    wrong: list[str] = []
    by_execution: dict[Any, list[Any]] = {}
    for row in plant.rows("SELECT execution_id, task_id, state, histories, attempts FROM task_runs"):
        by_execution.setdefault(row[0], []).append(row[1:])
    for id_, state, histories, end_date in plant.rows("SELECT id, state, histories, end_date FROM executions"):
        of = f"execution {id_}"
        wrong += [f"{of} {text}" for text in _wrong_history(state, histories)]
        if end_date is None:
            wrong.append(f"{of} has no end date")
        found = by_execution.get(id_, [])
        if runs is not None and len(found) != runs:
            wrong.append(f"{of} has {len(found)} task runs instead of {runs}")
        for task_id, run_state, run_histories, attempts in found:
            wrong += [f"{of}, {task_id}: {text}" for text in _wrong_run(run_state, run_histories, attempts, most_lost)]
    from executions import invariants

    violations = [str(violation) for violation in invariants.violations(plant.connection, settle=0.2)]
    return [*wrong, *_left_over(plant), *violations]


def _wrong_history(state: str, histories: list[list[str]]) -> Iterator[str]:
    names = [name for name, _ in histories]
    ends = [
        name for name, after in zip(names, [*names[1:], ""], strict=True) if name in TERMINAL and after != "RETRYING"
    ]
    if len(ends) != 1 or names[-1] not in TERMINAL:
        yield f"ends {len(ends)} times: {names}"
    if names[-1] != state:
        yield f"is {state}, its history says {names[-1]}"
    times = [moment for _, moment in histories]
    if times != sorted(times):
        yield f"its times go back: {histories}"


def _wrong_run(state: str, histories: list[list[str]], attempts: list[Any], most_lost: int) -> Iterator[str]:
    yield from _wrong_history(state, histories)
    for attempt in attempts:
        yield from (f"attempt {text}" for text in _wrong_history(attempt["state"], attempt["histories"]))
    lost = sum(attempt["lost"] for attempt in attempts)
    if lost > most_lost:
        yield f"lost {lost} attempts"
    if len(attempts) - lost > 1:
        yield f"ran {len(attempts) - lost} times without need"


def _left_over(plant: Plant) -> Iterator[str]:
    if count := plant.value("SELECT count(*) FROM worker_jobs"):
        yield f"{count} jobs are left"
    if count := plant.value("SELECT count(*) FROM queues WHERE NOT stream"):
        yield f"{count} work messages are left"
    if count := plant.value("SELECT count(*) FROM dead_letters"):
        yield f"{count} dead letters"
    if count := plant.value("SELECT count(*) FROM timers"):
        yield f"{count} timers are left"
    most = plant.value("SELECT max(n) FROM (SELECT count(*) AS n FROM queues GROUP BY execution_id) AS counts")
    if most and most > 1:
        yield f"an execution keeps {most} messages"


def settled_faults(plant: Plant, runs: int | None = None, most_lost: int = 0, seconds: float = 10) -> list[str]:
    """The same, once refused results and last messages had the time to go."""
    deadline = time.monotonic() + seconds
    while (wrong := faults_of(plant, runs, most_lost)) and time.monotonic() < deadline:
        time.sleep(0.2)
    return wrong
