"""Callers of the REST API and rows for them to find: no server, no engine, the real database."""

import base64
import json
from datetime import UTC, datetime, timedelta
from typing import Any

from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group
from django.test import Client

from executions import database, store
from executions.ids import to_uuid
from executions.models import LogRecord, MetricRecord
from executions.state import Execution, TaskRun
from flows.definition.states import State
from flows.models import NamespaceGrant
from tests.builders import a_run, an_execution

PASSWORD = "correct horse battery"
FLOW = """\
id: hello
namespace: tests.rest
labels:
  team: a
inputs:
  - id: name
    type: STRING
    defaults: world
tasks:
  - id: say
    type: io.kestra.plugin.core.log.Log
    message: hello {{ inputs.name }}
"""


class Rest:
    """One caller. Without a user: nobody."""

    def __init__(self, user: Any = None, header: str = "", **defaults: Any) -> None:
        if user is not None:
            secret = base64.b64encode(f"{user.get_username()}:{PASSWORD}".encode()).decode()
            header = f"Basic {secret}"
        self.header = header
        self.client = Client(headers={"authorization": header} if header else {}, **defaults)

    def call(self, method: str, path: str, body: Any = None, content_type: str = "", **extra: Any) -> Any:
        if isinstance(body, dict | list):
            body, content_type = json.dumps(body), "application/json"
        address = path if path.startswith("/") else f"/api/v1/{path}"
        return self.client.generic(method, address, body or b"", content_type or "application/x-yaml", **extra)

    def get(self, path: str, **extra: Any) -> Any:
        return self.call("GET", path, **extra)

    def post(self, path: str, body: Any = None, content_type: str = "", **extra: Any) -> Any:
        return self.call("POST", path, body, content_type, **extra)

    def put(self, path: str, body: Any = None, content_type: str = "", **extra: Any) -> Any:
        return self.call("PUT", path, body, content_type, **extra)

    def delete(self, path: str, body: Any = None, **extra: Any) -> Any:
        return self.call("DELETE", path, body, **extra)

    def json(self, path: str) -> Any:
        answer = self.get(path)
        assert answer.status_code == 200, (path, answer.status_code, answer.content)
        return answer.json()


def administrator(name: str = "root") -> Any:
    return get_user_model().objects.create_superuser(name, password=PASSWORD)


def member(name: str, role: str, namespace: str) -> Any:
    """A user whose only right is this role in this namespace."""
    user = get_user_model().objects.create_user(name, password=PASSWORD)
    group = Group.objects.create(name=f"{name} {role} {namespace}")
    NamespaceGrant.objects.create(group=group, namespace=namespace, role=role)
    user.groups.add(group)
    return user


def stored(
    *runs: TaskRun, state: State = State.SUCCESS, start: datetime | None = None, seconds: float = 2.0, **changes: Any
) -> Execution:
    """An execution as the engine would have left it, `seconds` after its start."""
    begin = start or datetime.now(UTC) - timedelta(seconds=seconds)
    outputs = changes.pop("outputs", None)
    execution = an_execution(histories=[(State.CREATED, begin)], **changes)
    store.create(database.current(), [execution])
    for reached in dict.fromkeys((State.RUNNING, state)) if state is not State.CREATED else ():
        execution.move(reached, begin + timedelta(seconds=seconds if reached is state else 0.01))
    execution.outputs, execution.changed = outputs, True
    for run in runs:
        execution.add(run)
    store.save(database.current(), [execution])
    store.settle(execution)
    return execution


def a_finished_run(task_id: str = "task", **changes: Any) -> TaskRun:
    return a_run(task_id, State.SUCCESS, **changes)


def a_line(execution: Execution, message: str, level: int = 2, **changes: Any) -> LogRecord:
    return LogRecord.objects.create(
        execution_id=to_uuid(execution.id),
        namespace=execution.namespace,
        flow_id=execution.flow_id,
        message=message,
        level=level,
        **{"timestamp": datetime.now(UTC), "attempt": 0, "thread": "t", **changes},
    )


def a_metric(execution: Execution, name: str, value: float, kind: str = "counter", **changes: Any) -> MetricRecord:
    return MetricRecord.objects.create(
        execution_id=to_uuid(execution.id),
        namespace=execution.namespace,
        flow_id=execution.flow_id,
        name=name,
        kind=kind,
        value=value,
        **{"timestamp": datetime.now(UTC), "task_id": "task", **changes},
    )
