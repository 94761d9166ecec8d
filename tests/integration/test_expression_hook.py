"""manage.py expression_hook as a process: line by line, with every set-up."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
Ask = Callable[..., dict[str, Any]]


@pytest.fixture(scope="module")
def hook_environment(
    database_server: str, database_template: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, str]]:
    from orchestrator_site.postgres import url_of
    from tests.conftest import _copy

    with _copy(database_server, database_template) as conninfo:
        home = str(tmp_path_factory.mktemp("home"))
        yield {**os.environ, "DATABASE_URL": url_of(conninfo), "CELESTA_HOME": home, "TZ": "Europe/Paris"}


@pytest.fixture(scope="module")
def ask(hook_environment: dict[str, str]) -> Iterator[Ask]:
    command = [sys.executable, str(ROOT / "manage.py"), "expression_hook"]
    with subprocess.Popen(
        command, env=hook_environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as hook:
        assert hook.stdin is not None and hook.stdout is not None
        stdin, stdout = hook.stdin, hook.stdout

        def send(line: str) -> dict[str, Any]:
            stdin.write(line + "\n")
            stdin.flush()
            found: dict[str, Any] = json.loads(stdout.readline())
            return found

        def request(template: Any = "", **more: Any) -> dict[str, Any]:
            return send(more["line"] if "line" in more else json.dumps({"id": "x", "template": template, **more}))

        yield request
        stdin.close()
        assert hook.wait(10) == 0


def test_it_says_what_it_can(ask: Ask) -> None:
    assert ask(line='{"hello": 1}') == {
        "hello": 1,
        "provides": ["storage", "logs", "secret", "flow_context", "task_run"],
    }


@pytest.mark.parametrize(
    ("request_", "answer"),
    [
        ({"template": "{{ n + 1 }}", "variables": {"n": {"$long": 41}}}, {"ok": True, "result": "42"}),
        ({"template": {"{{ k }}": ["{{ k }}", 1]}, "variables": {"k": "a"}}, {"ok": True, "result": {"a": ["a", 1]}}),
        (
            {"template": "{{ d | date('yyyy-MM-dd HH:mm') }}", "variables": {"d": {"$instant": "2024-01-01T00:00:00Z"}}},
            {"ok": True, "result": "2024-01-01 01:00"},
        ),
        ({"template": "PT{{ 60 }}S", "as_type": "duration"}, {"ok": True, "result": "PT60S", "typed": "PT1M"}),
        ({"template": "{{ 1 == 2 }}", "as_type": "condition"}, {"ok": True, "result": False}),
        (
            {"template": "{{ a }}", "variables": {"a": "{{ b }}", "b": "c"}, "config": {"kestra.variables.recursive-rendering": True}},
            {"ok": True, "result": "c"},
        ),
    ],
)  # fmt: skip
def test_a_template_is_rendered(ask: Ask, request_: dict[str, Any], answer: dict[str, Any]) -> None:
    assert ask(**request_) == {"id": "x", **answer}


def test_an_error_names_variable_line_and_column(ask: Ask) -> None:
    answer = ask("\n {{ nothing }}")
    assert answer["ok"] is False
    assert answer["error"].startswith("Unable to find `nothing` used in the expression")
    assert answer["error"].endswith("at line 2, column 5")


def test_a_line_that_is_no_request_is_answered_too(ask: Ask) -> None:
    assert ask(line="{")["ok"] is False
    assert ask(line="[]")["ok"] is False
    assert ask("{{ 1 }}")["result"] == "1"


def test_files_are_set_up_and_read(ask: Ask) -> None:
    path = "/a/b/f/executions/E/tasks/t/r/x.txt"
    variables = {"flow": {"namespace": "a.b", "id": "f"}, "execution": {"id": "E"}}
    setup = [
        {"storage_put": {"path": path, "content": "in storage"}},
        {"namespace_file_put": {"namespace": "a.b", "path": "/n.txt", "content": "of the namespace"}},
    ]
    template = f"{{{{ read('kestra://{path}') }}}}, {{{{ read('n.txt') }}}}, {{{{ fileSize('n.txt') }}}}"
    answer = ask(template, variables=variables, setup=setup, needs=["storage"])
    assert answer["result"] == "in storage, of the namespace, 16"
    other = ask(template, variables={**variables, "execution": {"id": "other"}}, needs=["storage"])
    assert other["error"].startswith(f"Unable to read the file 'kestra://{path}'")


def test_logs_are_set_up_and_forgotten_again(ask: Ask) -> None:
    entry = {"namespace": "n", "flowId": "f", "executionId": "any id", "level": "ERROR", "message": "bad"}
    template = "{% for line in errorLogs() %}{{ line.message }}{% endfor %}"
    variables = {"flow": {"namespace": "n", "id": "f"}, "execution": {"id": "any id"}}
    assert ask(template, variables=variables, setup=[{"log": entry}], needs=["logs"])["result"] == "bad"
    assert (
        ask(template, variables=variables, setup=[{"log": {**entry, "level": "INFO"}}], needs=["logs"])["result"] == ""
    )


def test_a_secret_is_masked_where_it_would_be_logged(ask: Ask) -> None:
    setup = [{"secret_env": {"SECRET_WORD": "c2VjcmV0"}}]
    answer = ask("a {{ secret('WORD') | upper }} b", setup=setup, needs=["secret"])
    assert answer["result"] == "a ******** b"
    assert "Cannot find secret" in ask("{{ secret('WORD') }}")["error"]


def test_a_flow_and_an_execution_are_the_context(ask: Ask) -> None:
    flow = {
        "id": "f",
        "namespace": "a.b",
        "inputs": [{"id": "i", "type": "INT", "defaults": 4}],
        "variables": {"v": "x"},
    }
    setup = [{"flow": flow, "execution": {"labels": [{"key": "k", "value": None}, {"key": "l", "value": "m"}]}}]
    template = "{{ inputs.i + 1 }} {{ vars.v }} {{ flow.id }} {{ labels.l }} {{ execution.id | length }}"
    assert ask(template, setup=setup, needs=["flow_context"])["result"] == "5 x f m 22"


def test_a_templated_task_is_run(ask: Ask) -> None:
    spec = "type: {{ type }}\nformat: It's {{ 1 + 1 }}"
    answer = ask(spec, variables={"type": "io.kestra.plugin.core.debug.Return"}, needs=["task_run"])
    assert answer["result"] == {"value": "It's 2"}
    assert (
        ask("type: io.kestra.plugin.core.flow.Pause", needs=["task_run"])["error"]
        == "The templated task must be a runnable task"
    )
