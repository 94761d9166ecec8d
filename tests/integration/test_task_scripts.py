"""Script tasks as real processes of a worker."""

import os
import shutil
import time
from pathlib import Path

import pytest

from executor.worker.process import Worker
from flows.definition.errors import InvalidFlow
from flows.definition.parse import parse_flow
from flows.tasks.scripts.docker import options_of
from tests.integration.worker_support import Desk, run_one, wait


def test_commands_run_in_a_shell_and_their_output_is_logged(table: Desk, worker: Worker) -> None:
    result = run_one(
        table,
        worker,
        """
- id: one
  type: io.kestra.plugin.scripts.shell.Commands
  commands: ["echo 'hello {{ inputs.name }}'", 'echo "$GREETING"', "pwd"]
  env: {GREETING: "from {{ flow.id }}"}
""",
        name="world",
    )
    assert result["state"] == "SUCCESS"
    outputs = result["outputs"]
    assert (outputs["exitCode"], outputs["stdOutLineCount"], outputs["stdErrLineCount"]) == (0, 3, 0)
    assert [line for _, line in table.logs()][:2] == ["hello world", f"from {table.flow.id}"]


def test_a_line_of_the_protocol_becomes_vars_and_metrics_and_logs(table: Desk, worker: Worker) -> None:
    line = (
        '::{"outputs":{"a":1,"b":[2]},"metrics":[{"name":"rows","type":"counter","value":3,"tags":{"k":"v"}}],'
        '"logs":[{"level":"WARN","message":"careful"}]}::'
    )
    result = run_one(
        table,
        worker,
        f"- {{id: one, type: io.kestra.plugin.scripts.shell.Script, script: 'echo ''{line}''; echo ''::{{\"outputs\":{{\"c\":true}}}}::'''}}",
    )
    assert result["outputs"]["vars"] == {"a": 1, "b": [2], "c": True}
    assert table.logs() == [(3, "careful")]
    assert table.connection.execute("SELECT name, value, tags FROM metrics").fetchall() == [("rows", 3.0, {"k": "v"})]


def test_a_failing_command_fails_the_task_and_keeps_its_outputs(table: Desk, worker: Worker) -> None:
    result = run_one(
        table,
        worker,
        "- {id: one, type: io.kestra.plugin.scripts.shell.Commands, commands: ['echo before', 'false', 'echo after']}",
    )
    assert result["state"] == "FAILED"
    assert result["outputs"]["exitCode"] == 1
    assert result["error"] == "Command failed with exit code 1"
    assert [line for _, line in table.logs()] == ["before", "Command failed with exit code 1"]


def test_without_fail_fast_later_commands_go_on(table: Desk, worker: Worker) -> None:
    result = run_one(
        table,
        worker,
        "- {id: one, type: io.kestra.plugin.scripts.shell.Commands, failFast: false, commands: ['false', 'echo after']}",
    )
    assert result["state"] == "SUCCESS"


def test_standard_error_makes_a_warning_unless_told_otherwise(table: Desk, worker: Worker) -> None:
    task = "- {id: one, type: io.kestra.plugin.scripts.shell.Commands, commands: ['echo oops >&2']%s}"
    assert run_one(table, worker, task % "")["state"] == "WARNING"
    assert table.logs() == [(4, "oops")]
    assert run_one(table, worker, task % ", warningOnStdErr: false")["state"] == "SUCCESS"


def test_python_scripts_take_input_files_and_give_output_files(table: Desk, worker: Worker) -> None:
    result = run_one(
        table,
        worker,
        """
- id: one
  type: io.kestra.plugin.scripts.python.Script
  beforeCommands: ["echo ready > before.txt"]
  inputFiles: {"in/data.json": '{"n": {{ inputs.n }}}'}
  outputFiles: ["*.csv", "sub/**/*.txt"]
  script: |
    import json, os
    n = json.load(open("in/data.json"))["n"]
    open("out.csv", "w").write(f"{n},{open('before.txt').read().strip()}")
    os.makedirs("sub/deep")
    open("sub/deep/x.txt", "w").write("x")
    open("sub/y.txt", "w").write("y")
    open(os.path.join("{{ outputDir }}", "kept.txt"), "w").write("kept")
""",
        n=7,
    )
    assert result["state"] == "SUCCESS", table.messages()
    files = result["outputs"]["outputFiles"]
    assert set(files) == {"out.csv", "sub/deep/x.txt", "sub/y.txt", "kept.txt"}
    with worker.tools.storage.open(files["out.csv"]) as file:
        assert file.read() == b"7,ready"


def test_an_address_in_a_command_becomes_a_local_file(table: Desk, worker: Worker) -> None:
    uri = worker.tools.storage.put("kestra:///company/worker/some file.txt", b"content")
    result = run_one(
        table,
        worker,
        "- {id: one, type: io.kestra.plugin.scripts.shell.Commands, commands: ['cat \"{{ inputs.uri }}\"']}",
        uri=uri,
    )
    assert result["state"] == "SUCCESS", table.messages()
    assert table.messages() == "content"


def test_scripts_see_nothing_of_the_workers_environment(
    table: Desk, worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("DATABASE_URL", "SECRET_CANARY", "CELESTA_SECRET_KEY", "CELERY_BROKER_URL"):
        monkeypatch.setenv(name, "canary-value")
    run_one(
        table,
        worker,
        "- {id: one, type: io.kestra.plugin.scripts.shell.Commands, warningOnStdErr: false,"
        " commands: ['env', 'ls /proc/self/fd', 'cat /proc/$PPID/environ || true']}",
    )
    assert "canary" not in table.messages()
    assert "PATH=" in table.messages()


def test_what_a_script_left_running_ends_with_it(table: Desk, worker: Worker, tmp_path: Path) -> None:
    started = time.monotonic()
    run_one(
        table,
        worker,
        "- {id: one, type: io.kestra.plugin.scripts.shell.Commands, commands: ['sleep 300 & echo $!']}",
    )
    assert time.monotonic() - started < 10
    pid = int(table.messages().split()[0])
    wait(lambda: not os.path.exists(f"/proc/{pid}"), 5, "the end of the background process")


def test_broken_bytes_and_endless_lines_are_logged_as_far_as_they_can(table: Desk, worker: Worker) -> None:
    result = run_one(
        table,
        worker,
        r"""- {id: one, type: io.kestra.plugin.scripts.shell.Commands, commands: ["printf 'a\\377b\\000c\\n'", "head -c 3000000 /dev/zero | tr '\\0' x"]}""",
    )
    assert result["state"] == "SUCCESS"
    assert table.logs()[0][1] == "a\ufffdb\ufffdc"
    assert all(len(message) < 300_000 for _, message in table.logs())


def test_a_container_runner_without_an_engine_is_refused_clearly(table: Desk, worker: Worker) -> None:
    result = run_one(
        table,
        worker,
        "- {id: one, type: io.kestra.plugin.scripts.shell.Commands, commands: ['true'],"
        " taskRunner: {type: io.kestra.plugin.scripts.runner.docker.Docker}}",
    )
    assert result["state"] == "FAILED"
    assert "No container engine can be reached" in str(result["error"])


@pytest.mark.parametrize("name", ["../evil.txt", "/etc/evil.txt", "a/../../evil.txt"])
def test_input_files_stay_in_the_working_directory(table: Desk, worker: Worker, name: str) -> None:
    result = run_one(
        table,
        worker,
        f"- {{id: one, type: io.kestra.plugin.scripts.shell.Commands, commands: ['true'], inputFiles: {{'{name}': x}}}}",
    )
    assert result["state"] == "FAILED"


def test_output_files_that_lead_out_by_a_link_are_left_out(table: Desk, worker: Worker) -> None:
    result = run_one(
        table,
        worker,
        "- {id: one, type: io.kestra.plugin.scripts.shell.Commands, outputFiles: ['*'],"
        " commands: ['ln -s /etc/passwd stolen', 'echo ok > fine']}",
    )
    assert set(result["outputs"]["outputFiles"]) == {"fine"}


def test_node_scripts_run_where_there_is_node(table: Desk, worker: Worker) -> None:
    task = "- {id: one, type: io.kestra.plugin.scripts.node.Script, script: 'console.log(6 * 7)'}"
    result = run_one(table, worker, task)
    if shutil.which("node"):
        assert (result["state"], table.messages()) == ("SUCCESS", "42")
    else:
        assert result["state"] == "FAILED" and "not found" in table.messages()


def test_a_program_that_is_not_there_fails_with_its_name(table: Desk, worker: Worker) -> None:
    for task in ("commands: [no-such-program]", "commands: ['true'], interpreter: [/no/such/shell, -c]"):
        result = run_one(table, worker, f"- {{id: one, type: io.kestra.plugin.scripts.node.Commands, {task}}}")
        assert result["state"] == "FAILED"
        assert "no-such-program" in table.messages() or "/no/such/shell" in str(result["error"])


def test_namespace_files_are_laid_into_the_working_directory(table: Desk, worker: Worker) -> None:
    for name in ("scripts/run.sh", "notes.txt", "other.bin"):
        worker.tools.platform("company.worker").put_namespace_file(
            "company.worker", name, f"echo from {name}\n".encode()
        )
    result = run_one(
        table,
        worker,
        "- {id: one, type: io.kestra.plugin.scripts.shell.Commands, commands: ['sh scripts/run.sh', 'find . -type f | sort'],"
        " namespaceFiles: {enabled: true, include: ['scripts/**', '*.txt'], exclude: [nothing]}}",
    )
    assert result["state"] == "SUCCESS", table.messages()
    assert [line for _, line in table.logs()] == ["from scripts/run.sh", "./notes.txt", "./scripts/run.sh"]


def test_interpreter_environment_and_runner_may_be_chosen(table: Desk, worker: Worker) -> None:
    result = run_one(
        table,
        worker,
        """
- id: one
  type: io.kestra.plugin.scripts.shell.Script
  taskRunner: {type: io.kestra.plugin.core.runner.Process}
  interpreter: [/bin/bash, -c]
  env: "{{ {'A': inputs.a, 'B': 2} }}"
  script: |
    parts=("$A" "$B")
    [ "$PWD" = "$WORKING_DIR" ] && echo "${parts[0]}-${parts[1]}"
""",
        a="x",
    )
    assert (result["state"], table.messages()) == ("SUCCESS", "x-2")


def test_a_command_with_a_secret_works_and_stays_out_of_the_command_line(
    table: Desk, worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    from dataclasses import replace

    from django.conf import settings

    monkeypatch.setattr(settings, "CELESTA", replace(settings.CELESTA, secrets={"HIDDEN": "h1dd3n"}))
    result = run_one(
        table,
        worker,
        "- {id: one, type: io.kestra.plugin.scripts.shell.Commands, beforeCommands: ['x=1'], commands:"
        " ['[ \"{{ secret(''HIDDEN'') }}\" = h1dd3n ] && echo \"same $x\"', 'tr \"\\0\" \" \" < /proc/$$/cmdline | grep -c dd3 || true', 'false', 'echo after']}",
    )
    assert (result["state"], result["outputs"]["exitCode"]) == ("FAILED", 1)
    assert [line for _, line in table.logs()][:2] == ["same 1", "0"]
    assert "after" not in table.messages()


@pytest.mark.parametrize("kind", ["shell.Commands", "shell.Script", "python.Script", "node.Commands"])
def test_a_wrong_property_is_refused_when_the_flow_is_saved(kind: str) -> None:
    for properties in ("command: x", ""):
        with pytest.raises(InvalidFlow, match=r"command|script"):
            parse_flow(
                f"id: f\nnamespace: n\ntasks:\n- {{id: one, type: io.kestra.plugin.scripts.{kind}, {properties}}}\n"
            )


def test_a_container_gets_the_limits_of_the_flow_and_nothing_of_the_machine(table: Desk, worker: Worker) -> None:
    given = {"networkMode": "none", "memory": {"memory": "512MB"}, "cpu": {"cpus": 1}, "pullPolicy": "IF_NOT_PRESENT"}
    assert options_of(given) == ["--network", "none", "--pull", "missing", "--memory", "512M", "--cpus", "1"]
    result = run_one(
        table,
        worker,
        "- {id: one, type: io.kestra.plugin.scripts.shell.Commands, commands: ['true'],"
        " taskRunner: {type: io.kestra.plugin.scripts.runner.docker.Docker, volumes: ['/:/host']}}",
    )
    assert "`volumes` of the Docker runner is not allowed" in str(result["error"])
