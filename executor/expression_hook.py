"""One rendering request of an outside tool, done with the product's own code: scopes, services, storage, logs, worker context."""

import re
import select
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import orjson
import psycopg
from django.conf import settings
from django.core.management import call_command

from executions import logs, store
from executions.expressions import SiteServices, place_of
from executions.ids import new_id, to_uuid
from executions.inputs import checked_inputs
from executions.state import Execution, TaskRun
from executions.storage.base import files_prefix, path_of, uri_of
from executions.storage.site import current as current_storage
from executions.transitions.outputs import job_context
from executor.worker.attempt import Attempt
from executor.worker.context import Context
from executor.worker.tools import Tools
from flows.definition.durations import format_duration, parse_duration
from flows.definition.parse import parse_flow
from flows.definition.states import State
from flows.expressions.errors import ExpressionError
from flows.expressions.render import DictScope, is_truthy, render, render_value
from flows.expressions.typed_json import decode
from flows.tasks import registry
from flows.tasks.base import TaskFailure

Json = Any
PROVIDES = ("storage", "logs", "secret", "flow_context", "task_run")
LEVELS = logs.LEVELS
_RETURN = "io.kestra.plugin.core.debug.Return"
_TEMPLATED = "io.kestra.plugin.core.templating.TemplatedTask"
_NAMESPACE = "io.kestra.expressions"
_ASKS = re.compile(r"\b(secret|kv|errorLogs)\s*\(")  # functions that the database answers
_PATIENCE = 12.0  # seconds for the helper: a tool waits fifteen


class Hook:
    """`folder` takes the place of this site's storage. `prepares`: an empty database gets its tables."""

    def __init__(self, folder: Path, *, recursive: bool = False, prepares: bool = False) -> None:
        self._recursive, self._prepares = recursive, prepares
        settings.CELESTA = replace(settings.CELESTA, storage=folder / "storage", storage_url=None)
        self._site = settings.CELESTA
        self._helper: Helper | None = None

    def answer(self, request: dict[str, Json]) -> dict[str, Json]:
        """Never raises."""
        try:
            if self._needs_database(request) and not self._prepares and not self._has_database():
                self._helper = self._helper or Helper()
                return self._helper.answer(request)
            with ExitStack() as stack:
                return {"ok": True, **self._result(request, stack)}
        except (ExpressionError, TaskFailure, ValueError, psycopg.Error) as error:
            return {"ok": False, "error": str(error) or type(error).__name__}
        except Exception as error:  # the tool on the other side goes on with its next request
            print(f"expression_hook: {error!r}", file=sys.stderr)
            return {"ok": False, "error": f"{type(error).__name__}: {error}"}
        finally:
            settings.CELESTA = self._site

    def close(self) -> None:
        if self._helper is not None:
            self._helper.close()

    def warm_up(self) -> None:
        """Called when the tool says hello: a database takes longer to start than a rendering may."""
        if not self._prepares and not self._has_database():
            self._helper = Helper()

    def _needs_database(self, request: Mapping[str, Json]) -> bool:
        asks = _ASKS.search(orjson.dumps([request.get("template"), request.get("variables")]).decode())
        return asks is not None or "logs" in (request.get("needs") or ())

    def _has_database(self) -> bool:
        try:
            psycopg.connect(settings.DATABASE_DIRECT_DSN, connect_timeout=2).close()
        except psycopg.Error:
            return False
        return True

    def _result(self, request: dict[str, Json], stack: ExitStack) -> dict[str, Json]:
        variables = decode(request.get("variables") or {}, ZoneInfo(str(settings.TIME_ZONE)))
        connection = stack.enter_context(self._database()) if self._needs_database(request) else None
        subject: dict[str, Json] = {}
        execution_ids: dict[str, str] = {}
        for setup in request.get("setup") or ():
            self._set_up(setup, connection, subject, execution_ids)
        needs = request.get("needs") or ()
        if "task_run" in needs:
            return {"result": _templated(str(request["template"]), variables)}
        if "secret" in needs or subject:
            context = stack.enter_context(_worker_context(request["template"], variables, subject))
            if "secret" in needs:
                return {"result": _logged(context, request["template"])}
            return {"result": context.render(request["template"])}
        return self._rendered(request, variables, connection, execution_ids)

    def _rendered(
        self, request: Mapping[str, Json], variables: dict[str, Json], connection: Any, execution_ids: dict[str, str]
    ) -> dict[str, Json]:
        flow, execution = (variables.get(name) or {} for name in ("flow", "execution"))
        given_id = str(execution.get("id") or "") if isinstance(execution, Mapping) else ""
        place = place_of(
            str(flow.get("namespace") or "") if isinstance(flow, Mapping) else "",
            str(flow.get("id") or "") if isinstance(flow, Mapping) else "",
            execution_ids.get(given_id, given_id),
            variables.get("trigger") if isinstance(variables.get("trigger"), Mapping) else None,
        )
        services = SiteServices(lambda: _lent(connection), place)
        config = request.get("config") or {}
        recursive = self._recursive or config.get("kestra.variables.recursive-rendering") is True
        template, scope = request["template"], DictScope(variables)
        if isinstance(template, str):
            result: Json = render(template, scope, services, recursive=recursive)
        else:
            result = render_value(template, scope, services, recursive=recursive)
        as_type = request.get("as_type")
        if as_type is None:
            return {"result": result}
        if as_type == "condition":
            return {"result": is_truthy(result)}
        return {"result": result, "typed": _converted(str(result), str(as_type))}

    def _set_up(
        self, setup: Mapping[str, Json], connection: Any, subject: dict[str, Json], execution_ids: dict[str, str]
    ) -> None:
        if "storage_put" in setup:
            file = setup["storage_put"]
            current_storage().put(uri_of(path_of(file["path"])), str(file["content"]).encode())
        elif "namespace_file_put" in setup:
            file = setup["namespace_file_put"]
            path = f"{files_prefix(file['namespace'])}/{str(file['path']).lstrip('/')}"
            current_storage().put(uri_of(path_of(path)), str(file["content"]).encode())
        elif "secret_env" in setup:
            _add_secrets(setup["secret_env"])
        elif "log" in setup:
            _write_log(connection, setup["log"], execution_ids)
        else:
            subject.update({name: setup[name] for name in ("flow", "execution") if name in setup})

    @contextmanager
    def _database(self) -> Iterator[Any]:
        """What is set up is rolled back afterwards."""
        if self._prepares:
            call_command("migrate", verbosity=0, interactive=False, skip_checks=True, stdout=sys.stderr)
        with psycopg.connect(settings.DATABASE_DIRECT_DSN) as connection, connection.transaction(force_rollback=True):
            yield connection


class Helper:
    """The same command once more, with this site's own PostgreSQL started for it: only logs need one."""

    def __init__(self) -> None:
        command = [sys.executable, sys.argv[0], "expression_hook", "--with-database"]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0)
        self._number = 0

    def answer(self, request: Mapping[str, Json]) -> dict[str, Json]:
        """What comes too late answers the next request of this helper, which is told apart by its number."""
        assert self._process.stdin is not None
        self._number += 1
        self._process.stdin.write(orjson.dumps({**request, "id": self._number}) + b"\n")
        self._process.stdin.flush()
        until = time.monotonic() + _PATIENCE
        while (line := self._line(until - time.monotonic())) is not None:
            answer: dict[str, Json] = orjson.loads(line)
            if answer.pop("id") == self._number:
                return answer
        return {"ok": False, "error": "no database can be reached or started in time"}

    def _line(self, seconds: float) -> bytes | None:
        stdout = self._process.stdout
        assert stdout is not None
        if seconds <= 0 or not select.select([stdout], [], [], seconds)[0]:
            return None
        return stdout.readline() or None

    def close(self) -> None:
        self._process.communicate()


@contextmanager
def _lent(connection: Any) -> Iterator[Any]:
    if connection is None:
        with psycopg.connect(settings.DATABASE_DIRECT_DSN, autocommit=True) as opened:
            yield opened
    else:
        yield connection


def _add_secrets(variables: Mapping[str, str]) -> None:
    """As the environment would have brought them."""
    read = type(settings.CELESTA).read_secrets(variables)
    settings.CELESTA = replace(settings.CELESTA, secrets={**settings.CELESTA.secrets, **read})


def _write_log(connection: Any, entry: Mapping[str, Json], execution_ids: dict[str, str]) -> None:
    """Ids of outside need not be ours: the same one becomes the same id of this database."""
    given = str(entry.get("executionId") or "")
    line = {
        "execution_id": to_uuid(execution_ids.setdefault(given, _own_id(given))).hex,
        "namespace": entry.get("namespace") or "",
        "flow_id": entry.get("flowId") or "",
        "task_id": entry.get("taskId"),
        "level": LEVELS.index(str(entry.get("level") or "INFO")),
        "message": str(entry.get("message") or ""),
        "thread": "",
        "attempt": 0,
        "timestamp": str(entry.get("timestamp") or datetime.now(UTC).isoformat()),
    }
    store.write_logs(connection, [line])


def _own_id(given: str) -> str:
    try:
        to_uuid(given)
    except ValueError:
        return new_id()
    return given


def _converted(text: str, as_type: str) -> Json:
    """A rendered property as what its type means."""
    match as_type:
        case "duration":
            return format_duration(parse_duration(text))
        case "log level":
            if text.strip().upper() not in LEVELS:
                raise ExpressionError(f"Not a log level: {text[:60]}; one of {', '.join(LEVELS)}")
            return text.strip().upper()
        case "string":
            return text
        case _:
            try:
                return orjson.loads(text)
            except orjson.JSONDecodeError as error:
                raise ExpressionError(f"Not a {as_type}: {error}") from None


# --- in the context of a worker


@contextmanager
def _worker_context(template: Json, variables: Mapping[str, Json], subject: Mapping[str, Json]) -> Iterator[Context]:
    """The context that a worker would give to a task that renders the template, of this flow and this execution."""
    properties = dict(subject.get("flow") or {})
    properties.setdefault("id", "expression")
    properties.setdefault("namespace", _NAMESPACE)
    task = {"id": "render", "type": _RETURN, "format": template if isinstance(template, str) else ""}
    flow = parse_flow(orjson.dumps({**properties, "tasks": [*(properties.get("tasks") or ()), task]}).decode())
    given = subject.get("execution") or {}
    now = datetime.now(UTC)
    execution_id = _own_id(str(given.get("id") or ""))
    # A label needs both of its halves, as where executions are created.
    labels = [label for label in given.get("labels") or () if label.get("key") and label.get("value") is not None]
    execution = Execution(
        execution_id,
        flow.namespace,
        flow.id,
        1,
        State.RUNNING,
        [(State.CREATED, now), (State.RUNNING, now)],
        inputs=checked_inputs(flow, given.get("inputs") or {}, {}, execution_id),
        labels=labels,
        variables=dict(variables),
        trigger=given.get("trigger"),
    )
    run = TaskRun(new_id(), "render", State.RUNNING, [(State.RUNNING, now)])
    execution.add(run)
    tools = Tools()
    attempt = Attempt(run.id, new_id(), 0, {})
    context = Context(job_context(flow, execution, run), flow.task_index["render"].task, attempt, tools)  # type: ignore[arg-type]
    try:
        yield context
    finally:
        context.close()
        tools.close()


def _logged(context: Context, template: str) -> str:
    """The line as it would stand in the log."""
    context.log("INFO", context.render(template))
    lines, _ = context.drain_logs()
    return str(lines[-1]["message"])


def _templated(spec: str, variables: Mapping[str, Json]) -> dict[str, Json]:
    """What a TemplatedTask of this spec puts out."""
    values = {"id": "templated", "type": _TEMPLATED, "spec": spec}
    task: Any = registry.build_task(values, registry.context())
    with _worker_context(spec, variables, {}) as context:
        return task.run(context) or {}
