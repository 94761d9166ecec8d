"""Made from all routes there are: each refuses anonymous callers, wrong tokens, and those of another namespace.

A new route is covered the moment it stands in the URL configuration. What is open says so at its view.
"""

import hashlib
import re
from collections.abc import Iterator
from io import BytesIO
from typing import Any, NamedTuple

import pytest
from django.db import connection
from django.urls import URLPattern, URLResolver, get_resolver

from executions import database
from executions.api.auth import role_of
from executions.storage import kv
from executions.storage.base import files_prefix, uri_of
from executions.storage.site import current as storage
from flows import catalog
from flows.access import Role
from tests.integration.rest_support import Rest, a_finished_run, a_line, a_metric, member, stored

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("nobody_remembered")]

# Function views and Django's own that anybody may call; REST views say `public = True` themselves.
OPEN = {
    "orchestrator_site.health.health",
    "orchestrator_site.health.ready",
    "executions.pages.login.Login",
    "django.contrib.auth.views.LogoutView",
}
HIDDEN = "secret.ns"
CANARY = "canary7391"
FLOW = f"""\
id: hidden
namespace: {HIDDEN}
description: {CANARY}
labels:
  word: {CANARY}
tasks:
  - id: say
    type: io.kestra.plugin.core.log.Log
    message: {CANARY}
triggers:
  - id: hook
    type: io.kestra.plugin.core.trigger.Webhook
    key: {CANARY}{CANARY}{CANARY}{CANARY}
"""
QUERY = (
    f"namespace={HIDDEN}&flowId=hidden&path=/{CANARY}.txt&q=can&field=namespace&size=100&status=KILLED"
    f"&newStatus=KILLED&triggerId=hook&from=/{CANARY}.txt&to=/moved.txt&source=true&allowDeleted=true"
)


class Route(NamedTuple):
    path: str
    view: Any  # the class, or the function
    callback: Any

    @property
    def name(self) -> str:
        return f"{self.view.__module__}.{self.view.__qualname__}"

    @property
    def methods(self) -> list[str]:
        if not isinstance(self.view, type):
            return ["GET", "POST"]
        return [name for name in ("GET", "POST", "PUT", "PATCH", "DELETE") if hasattr(self.view, name.lower())]

    @property
    def is_open(self) -> bool:
        return self.name in OPEN or getattr(self.view, "public", False) is True


def routes(values: dict[str, str]) -> Iterator[Route]:
    yield from _below(get_resolver().url_patterns, "/", values)


def _below(patterns: Any, prefix: str, values: dict[str, str]) -> Iterator[Route]:
    for entry in patterns:
        path = prefix + _filled(str(entry.pattern), values)
        if isinstance(entry, URLResolver):
            if entry.app_name != "admin":
                yield from _below(entry.url_patterns, path, values)
        elif isinstance(entry, URLPattern):
            callback = entry.callback
            yield Route(path, getattr(callback, "cls", getattr(callback, "view_class", callback)), callback)


def _filled(text: str, values: dict[str, str]) -> str:
    """Route patterns, and the few that are regular expressions."""
    text = re.sub(r"\(\?P<(\w+)>((?:[^()]|\([^()]*\))*)\)", lambda found: _value(found[1], found[2], values), text)
    text = re.sub(r"<(?:\w+:)?(\w+)>", lambda found: values.get(found[1], "x"), text)
    return re.sub(r"\(\?:.*?\)\?|[\^$]", "", text)


def _value(name: str, pattern: str, values: dict[str, str]) -> str:
    return pattern.split("|")[0] if re.fullmatch(r"\w+(\|\w+)*", pattern) else values.get(name, "x")


@pytest.fixture
def values() -> dict[str, str]:
    """Things in a namespace that the caller of the test has nothing to do with."""
    catalog.create(FLOW)
    run = a_finished_run("say", outputs={"value": CANARY}, value=CANARY)
    execution = stored(
        run, namespace=HIDDEN, flow_id="hidden", labels=[{"key": "word", "value": CANARY}], outputs={"o": CANARY}
    )
    a_line(execution, CANARY, task_id="say")
    a_metric(execution, CANARY, 1)
    kv.put(database.current(), HIDDEN, "thekey", CANARY, type_name="STRING")
    storage().put(uri_of(f"{files_prefix(HIDDEN)}/{CANARY}.txt"), BytesIO(CANARY.encode()))
    return {
        "namespace": HIDDEN,
        "flow_id": "hidden",
        "execution_id": execution.id,
        "task_run_id": run.id,
        "task_id": "say",
        "trigger_id": "hook",
        "key": "thekey",
        "metric": CANARY,
        "action": "kill",
        "cls": "io.kestra.plugin.core.log.Log",
        "kind": "flow",
        "tenant": "main",
        "revision": "1",
    }


def bodies(values: dict[str, str]) -> list[Any]:
    trigger = {"namespace": HIDDEN, "flowId": "hidden", "triggerId": "hook"}
    return [
        [values["execution_id"]],
        {"executionsId": [values["execution_id"]], "executionLabels": [{"key": "a", "value": "b"}]},
        [{"namespace": HIDDEN, "id": "hidden"}],
        {
            **{"flows": [{"namespace": HIDDEN, "id": "hidden"}], "namespace": HIDDEN},
            **{"query": CANARY, "replacement": "x", "id": "hidden", "line": 3},
        },
        [trigger],
        {**trigger, "disabled": True, "taskRunId": values["task_run_id"], "state": "FAILED"},
        [{"key": "a", "value": "b"}],
        {"keys": ["thekey"]},
        FLOW.replace("say", "said").replace(CANARY, "a" * 30),
        "{{ execution.id }} " + CANARY[::-1],
        None,
    ]


def bodies_for(route: Route, method: str, values: dict[str, str]) -> list[Any]:
    """The dialects share their views: all bodies for one of them, one for the other."""
    if method == "GET":
        return [None]
    return bodies(values)[:1] if route.path.startswith("/api/v1/main/") else bodies(values)


def fingerprint() -> str:
    """Of everything that a write could have touched."""
    tables = ("flows", "executions", "task_runs", "logs", "metrics", "key_values", "triggers", "queues", "worker_jobs")
    with connection.cursor() as cursor:
        found = []
        for table in tables:
            cursor.execute(f"SELECT md5(string_agg(t::text, '|' ORDER BY t::text)) FROM {table} t")
            found.append(str(cursor.fetchone()[0]))
    names = sorted(facts.path for facts in storage().entries(uri_of(files_prefix(HIDDEN)), recursive=True))
    return hashlib.sha256("|".join([*found, *names]).encode()).hexdigest()


def content(answer: Any) -> str:
    body = b"".join(answer.streaming_content) if answer.streaming else answer.content
    return body.decode("utf-8", "replace")


def test_the_list_of_open_views_is_short(values: dict[str, str]) -> None:
    found = {route.name for route in routes(values) if route.is_open}
    assert found == OPEN | {
        "executions.api.misc.LoginConfigsView",
        *(name for name in found if name.endswith("WebhookView")),
    }


@pytest.mark.parametrize("header", ["", "Bearer cel_wrong", "Basic cm9vdDp3cm9uZw==", "Nonsense x"])
def test_every_route_refuses_who_is_not_known(values: dict[str, str], header: str) -> None:
    caller = Rest(header=header, raise_request_exception=False, REMOTE_ADDR="203.0.113.9")
    before = fingerprint()
    admitted = []
    for route in routes(values):
        if route.is_open:
            continue
        for method in route.methods:
            answer = caller.call(method, f"{route.path}?{QUERY}", bodies(values)[0])
            sent_to_login = answer.status_code == 302 and answer.headers["Location"].startswith("/login")
            # A throttled name is refused before its password is looked at.
            if answer.status_code not in (401, 403, 405, 429) and not sent_to_login:
                admitted.append((method, route.path, answer.status_code))
            if route.path.startswith("/api/") and answer.status_code == 302:
                admitted.append((method, route.path, answer.status_code))
    assert admitted == []
    assert fingerprint() == before


@pytest.mark.timeout(400)  # some thousand requests: seconds, but minutes on a machine that has other things to do
def test_no_route_shows_or_changes_anything_of_another_namespace(values: dict[str, str]) -> None:
    caller = Rest(member("eve", "namespace_admin", "other"), raise_request_exception=False)
    before = fingerprint()
    leaks: list[Any] = []
    for route in routes(values):
        if route.is_open:
            continue
        for method in route.methods:
            for body in bodies_for(route, method, values):
                answer = caller.call(method, f"{route.path}?{QUERY}", body)
                text = content(answer)
                shown = CANARY in text.replace(f"/{CANARY}.txt", "") and CANARY not in route.path
                shown = shown or (answer.status_code < 300 and values["execution_id"] in text)
                if shown or answer.status_code >= 500:
                    leaks.append((method, route.path, answer.status_code, text[:200]))
            if method != "GET" and fingerprint() != before:
                leaks.append((method, route.path, "changed something"))
                before = fingerprint()
    assert leaks == []


@pytest.mark.timeout(400)
def test_a_viewer_reads_and_changes_nothing(values: dict[str, str]) -> None:
    caller = Rest(member("vera", "viewer", HIDDEN), raise_request_exception=False)
    before = fingerprint()
    allowed = []
    for route in routes(values):
        if route.is_open or not route.path.startswith("/api/"):
            continue
        for method in route.methods:
            if role_of(route.view, method) <= Role.VIEWER:
                continue
            for body in bodies_for(route, method, values):
                answer = caller.call(method, f"{route.path}?{QUERY}", body)
                if answer.status_code != 403:
                    allowed.append((method, route.path, answer.status_code, content(answer)[:100]))
                    break
    assert allowed == []
    assert caller.get(f"flows/{HIDDEN}/hidden").status_code == 200
    overridden = caller.get(f"flows/{HIDDEN}/hidden", headers={"x-http-method-override": "DELETE"})
    assert overridden.status_code == 200
    assert fingerprint() == before


@pytest.mark.parametrize(
    "path",
    [
        "/api/v1/flows/x/y/../../configs",
        "/api/v1//configs/login",
        "/api/v1/configs;/login",
        "/api/v1/%2e%2e/health",
        "/api/v1/configs/login%00",
        "/api/v1/configs/login.",
        "/api/v1/CONFIGS/login",
        "/api/v1/flows/health/ready",
        "/api/v1/namespaces/login/kv/static",
        "/api/v1/executions/configs/login",
        "/api/v1/main/executions/metrics",
        "/api/schema",
    ],
)
def test_a_thing_named_as_an_open_path_is_not_open(path: str) -> None:
    assert Rest().get(path).status_code == 401
