"""Hands out jobs as the executor does, and reads what workers answer. For tests of the worker alone."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import orjson
import psycopg

from executions.codec import dumps
from executions.ids import new_id, to_uuid
from executions.state import Execution, TaskRun
from executions.transitions.outputs import job_context
from executor.worker.process import Worker
from flows.definition.parse import parse_flow
from flows.definition.states import State
from flows.tasks.base import Isolation

NAMESPACE = "company.worker"


@dataclass
class Desk:
    """One connection, one flow at a time; what is inserted is committed at once."""

    connection: "psycopg.Connection[Any]"
    flow: Any = None
    execution: Execution = field(default=None)  # type: ignore[assignment]

    def define(self, tasks: str, **inputs: Any) -> "Desk":
        """A flow with these tasks (YAML of the list), and an execution of it."""
        flow_id = f"f{new_id().lower()}"
        body = "\n".join(f"  {line}" for line in tasks.strip("\n").splitlines())
        source = f"id: {flow_id}\nnamespace: {NAMESPACE}\ntasks:\n{body}\n"
        self.flow = parse_flow(source, revision=1)
        self.connection.execute(
            "INSERT INTO flows (namespace, flow_id, revision, source, description, labels, disabled, deleted, latest,"
            " trigger_types, created) VALUES (%s, %s, 1, %s, '', '{}', false, false, true, '[]', now())",
            [NAMESPACE, flow_id, source],
        )
        now = datetime.now(UTC)
        self.execution = Execution(
            new_id(),
            NAMESPACE,
            flow_id,
            1,
            State.RUNNING,
            [(State.CREATED, now), (State.RUNNING, now)],
            inputs=inputs,
        )
        return self

    def hand_out(self, *task_ids: str, queue: str = "default", outputs: dict[str, Any] | None = None) -> list[int]:
        """One job per task id (all of the flow without); the ids of the jobs. One insert, one notification."""
        for task_id, value in (outputs or {}).items():
            done = TaskRun(new_id(), task_id, State.SUCCESS, [(State.SUCCESS, datetime.now(UTC))], outputs=value)
            self.execution.add(done)
        rows = [self._row(task_id) for task_id in task_ids or [task.id for task in self.flow.tasks]]
        with self.connection.transaction():
            found = self.connection.execute(
                "INSERT INTO worker_jobs (queue, execution_id, task_run_id, token, task_type, light, payload, claim,"
                " deaths, kill, created) SELECT %s, execution_id, task_run_id, token, task_type, light, payload, 0, 0,"
                " false, now() FROM jsonb_to_recordset(%s::jsonb) AS r(execution_id uuid, task_run_id uuid, token uuid,"
                " task_type text, light bool, payload jsonb) RETURNING id",
                [queue, dumps(rows)],
            ).fetchall()
            self.connection.execute("SELECT pg_notify('celesta_jobs', '')")
        return [row[0] for row in found]

    def _row(self, task_id: str) -> dict[str, Any]:
        task = self.flow.task_index[task_id].task
        run = TaskRun(new_id(), task_id, State.CREATED, [(State.CREATED, datetime.now(UTC))])
        self.execution.add(run)
        token = new_id()
        context = job_context(self.flow, self.execution, run)
        return {
            "execution_id": to_uuid(self.execution.id).hex,
            "task_run_id": to_uuid(run.id).hex,
            "token": to_uuid(token).hex,
            "task_type": task.type,
            "light": task.isolation is Isolation.LIGHT,
            "payload": {"task_run_id": run.id, "token": token, "task_type": task.type, "context": context},
        }

    def results(self) -> list[dict[str, Any]]:
        rows = self.connection.execute(
            "SELECT body::text FROM queues WHERE type = 'task.finished' AND execution_id = %s ORDER BY id",
            [to_uuid(self.execution.id)],
        ).fetchall()
        return [orjson.loads(row[0]) for row in rows]

    def result(self, seconds: float = 15) -> dict[str, Any]:
        """The only result, once it is there."""
        wait(lambda: self.results(), seconds)
        (found,) = self.results()
        return found

    def logs(self) -> list[tuple[int, str]]:
        rows = self.connection.execute(
            "SELECT level, message FROM logs WHERE execution_id = %s ORDER BY id",
            [to_uuid(self.execution.id)],
        ).fetchall()
        return [(row[0], row[1]) for row in rows]

    def messages(self) -> str:
        return "\n".join(message for _, message in self.logs())

    def value(self, query: str, *parameters: Any) -> Any:
        row = self.connection.execute(query, parameters).fetchone()
        return None if row is None else row[0]

    def jobs(self) -> int:
        return int(self.value("SELECT count(*) FROM worker_jobs"))


def wait(condition: Callable[[], Any], seconds: float = 15, what: str = "it") -> Any:
    """Polls until the condition holds; its value."""
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        if time.monotonic() > deadline:
            raise AssertionError(f"{what} did not happen within {seconds} s")
        time.sleep(0.01)
    return found


@contextmanager
def desk(conninfo: str) -> Iterator[Desk]:
    with psycopg.connect(conninfo, autocommit=True) as connection:
        yield Desk(connection)


def emptied(table: Desk) -> Desk:
    """Nothing is left of other tests but the workers that live."""
    table.connection.execute("TRUNCATE worker_jobs, queues, logs, metrics, payloads, key_values, executions, task_runs")
    return table


@contextmanager
def working(threads: int = 2) -> Iterator[Worker]:
    worker = Worker(["default"], threads)
    worker.start()
    try:
        yield worker
    finally:
        worker.stop()


def run_one(table: Desk, worker: Worker, task: str, **inputs: object) -> dict[str, Any]:
    """Of a flow of one task: what the worker reports of it."""
    table.define(task, **inputs).hand_out()
    run_claimed(worker)
    return table.result()


def run_claimed(worker: Worker, limit: int = 100, queue: str = "default") -> int:
    """Claim and run in this thread, without Celery; how many."""
    jobs = worker.claims.claim(worker.identity.id, queue, limit)
    for job in jobs:
        worker.run_named([(job.id, None)])
    return len(jobs)


def names(values: Sequence[dict[str, Any]], key: str) -> list[Any]:
    return [value[key] for value in values]


@dataclass
class TaskBench:
    """Runs the tasks of a flow one after the other, each on the real worker; what one put out the next may name."""

    table: Desk
    worker: Worker

    def run(self, tasks: str, **inputs: Any) -> dict[str, dict[str, Any]]:
        """What each task reported, by id: state, outputs, error."""
        self.table.define(tasks, **inputs)
        return {task.id: self.step(task.id) for task in self.table.flow.tasks}

    def step(self, task_id: str) -> dict[str, Any]:
        before = len(self.table.results())
        self.table.hand_out(task_id)
        assert run_claimed(self.worker) == 1
        wait(lambda: len(self.table.results()) > before)
        result = self.table.results()[-1]
        run = self.table.execution.at(None, task_id, None)
        assert run is not None
        run.outputs, run.state = result.get("outputs"), State(result["state"])
        return result

    def outputs(self, tasks: str, **inputs: Any) -> dict[str, Any]:
        """Of the last task; all must end well."""
        results = self.run(tasks, **inputs)
        assert {
            task_id: result.get("error") for task_id, result in results.items() if result["state"] != "SUCCESS"
        } == {}
        found: dict[str, Any] = list(results.values())[-1].get("outputs") or {}
        return found

    def failure(self, tasks: str, **inputs: Any) -> str:
        """Why the last task failed; the log says so too."""
        result = list(self.run(tasks, **inputs).values())[-1]
        assert result["state"] == "FAILED"
        assert result["error"] in self.table.messages()
        return str(result["error"])

    def content(self, uri: str) -> str:
        with self.worker.tools.storage.open(uri) as file:
            return file.read().decode()
