"""Tasks that need more than the engine, on real processes: files, other executions, templates, secrets, limits of time."""

from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import pytest

from tests.plant import TERMINAL, Plant, eventually

Run = Callable[..., dict[str, Any]]
NAMESPACE = "company.language"
EXECUTIONS = f"/api/v1/main/executions/{NAMESPACE}"


@pytest.fixture
def run(product: Plant) -> Run:
    """Start a flow by its text and read the execution when it has ended (or paused)."""

    def start(source: str, inputs: dict[str, str] | None = None, until: str = "") -> dict[str, Any]:
        flow_id = store(product, source)
        status, answer = product.request("POST", f"{EXECUTIONS}/{flow_id}", *form(inputs or {}))
        assert status == 200, answer
        return wait(product, answer["id"], until)

    return start


def store(product: Plant, source: str) -> str:
    flow_id = source.split("id:", 1)[1].split()[0]
    product.define(f"namespace: {NAMESPACE}\n{source}")
    return flow_id


def wait(product: Plant, execution_id: str, until: str = "") -> dict[str, Any]:
    def ended() -> dict[str, Any] | None:
        found: dict[str, Any] = product.get(f"/api/v1/main/executions/{execution_id}")
        state = found["state"]["current"]
        return found if state == until or (not until and state in TERMINAL) else None

    found: dict[str, Any] = eventually(ended, 30, lambda: f"the end of {execution_id} ({product.left()})")
    return found


def form(parts: dict[str, str]) -> tuple[bytes, str]:
    """A multipart body; a value that starts with @ is a file."""
    body = ""
    for name, text in parts.items():
        file = f'; filename="{name}.txt"' if text.startswith("@") else ""
        body += f'--b\r\nContent-Disposition: form-data; name="{name}"{file}\r\n\r\n{text.lstrip("@")}\r\n'
    return f"{body}--b--\r\n".encode(), "multipart/form-data; boundary=b"


def state(execution: dict[str, Any]) -> str:
    return str(execution["state"]["current"])


def states(execution: dict[str, Any]) -> dict[str, str]:
    return {run["taskId"]: run["state"]["current"] for run in execution.get("taskRunList", ())}


def outputs(execution: dict[str, Any], task_id: str) -> Any:
    return next(run.get("outputs") for run in execution["taskRunList"] if run["taskId"] == task_id)


def content(product: Plant, execution: dict[str, Any], uri: str) -> str:
    status, text = product.request("GET", f"/api/v1/main/executions/{execution['id']}/file?path={quote(uri)}")
    assert status == 200, text
    return str(text)


def logs(product: Plant, execution: dict[str, Any]) -> list[tuple[str, str]]:
    rows = product.rows(
        "SELECT task_id, message FROM logs l JOIN executions e ON e.id = l.execution_id"
        " WHERE e.flow_id = %s ORDER BY l.id",
        execution["flowId"],
    )
    return [(row[0], row[1]) for row in rows]


# --- WorkingDirectory

INSIDE = """
id: inside
inputs: [{{id: who, type: STRING, defaults: world}}]
tasks:
  - id: wd
    type: core.flow.WorkingDirectory
    inputFiles: {{in.txt: "hello {{{{ inputs.who }}}}"}}
    outputFiles: ["*.txt"]
    {more}
    tasks:
      - id: first
        type: io.kestra.plugin.scripts.shell.Commands
        commands: ["tr a-z A-Z < in.txt > out.txt", "echo '::{{\\"outputs\\":{{\\"n\\":7}}}}::'"]
      - {{id: skipped, type: core.log.Log, message: x, runIf: "{{{{ false }}}}"}}
      - {{id: gone, type: core.log.Log, message: x, disabled: true}}
      - {{id: second, type: core.debug.Return, format: "{{{{ outputs.first.vars.n }}}} {{{{ workerTaskrun.id == taskrun.parentId }}}}"}}
  - {{id: after, type: core.debug.Return, format: "{{{{ outputs.first.vars.n }}}}{{{{ outputs.second.value }}}}"}}
"""


def test_tasks_share_a_folder_and_show_as_task_runs(product: Plant, run: Run) -> None:
    found = run(INSIDE.format(more=""))
    assert states(found) == dict.fromkeys(["wd", "first", "second", "after"], "SUCCESS") | {"skipped": "SKIPPED"}
    assert outputs(found, "second") == {"value": "7 true"} and outputs(found, "after") == {"value": "77 true"}
    parent = next(one["id"] for one in found["taskRunList"] if one["taskId"] == "wd")
    assert all(one["parentTaskRunId"] == parent for one in found["taskRunList"] if one["taskId"] in ("first", "second"))
    files = outputs(found, "wd")["outputFiles"]
    assert content(product, found, files["out.txt"]).strip() == "HELLO WORLD"


FAILING = """
id: failing
tasks:
  - id: wd
    type: core.flow.WorkingDirectory
    tasks:
      - {{id: slow, type: core.flow.Sleep, duration: PT20S, timeout: PT0.2S, allowFailure: {allowed}}}
      - {{id: next, type: core.log.Log, message: "in the folder"}}
    errors:
      - {{id: err, type: core.log.Log, message: "wd failed"}}
  - {{id: after, type: core.log.Log, message: x}}
"""


@pytest.mark.parametrize(
    ("allowed", "expected"),
    [
        ("false", {"wd": "FAILED", "slow": "FAILED", "err": "SUCCESS"}),
        ("true", {"wd": "WARNING", "slow": "WARNING", "next": "SUCCESS", "after": "SUCCESS"}),
    ],
)
def test_a_task_inside_has_its_own_time_limit_and_may_fail(
    product: Plant, run: Run, allowed: str, expected: dict[str, str]
) -> None:
    found = run(FAILING.format(allowed=allowed))
    assert states(found) == expected
    lines = logs(product, found)
    assert next(task for task, text in lines if "Timeout after" in text) == "slow"


def test_a_restart_runs_the_whole_folder_again(product: Plant, run: Run) -> None:
    source = """
id: again
tasks:
  - id: wd
    type: core.flow.WorkingDirectory
    tasks:
      - {id: a, type: core.log.Log, message: x}
      - {id: b, type: core.execution.Fail, condition: "{{ workerTaskrun.attemptsCount == 0 }}"}
"""
    found = run(source)
    assert states(found) == {"wd": "FAILED", "a": "SUCCESS", "b": "FAILED"}
    status, answer = product.request("POST", f"/api/v1/main/executions/{found['id']}/restart")
    assert (status, states(answer)) == (200, {"wd": "RESTARTED"})
    assert states(wait(product, found["id"], "SUCCESS")) == {"wd": "SUCCESS", "a": "SUCCESS", "b": "SUCCESS"}


def test_tasks_in_a_folder_are_seen_while_they_run(product: Plant, run: Run) -> None:
    source = """
id: seen
tasks:
  - id: wd
    type: core.flow.WorkingDirectory
    tasks:
      - {id: a, type: core.log.Log, message: x}
      - {id: b, type: core.flow.Sleep, duration: PT30S}
"""
    execution_id = product.request("POST", f"{EXECUTIONS}/{store(product, source)}")[1]["id"]
    address = f"/api/v1/main/executions/{execution_id}"

    def seen() -> bool:
        return states(product.get(address)) == {"wd": "RUNNING", "a": "SUCCESS", "b": "RUNNING"}

    eventually(seen, 20, lambda: str(states(product.get(address))))
    product.request("DELETE", f"{address}/kill")
    assert states(wait(product, execution_id, "KILLED")) == {"wd": "KILLED", "a": "SUCCESS", "b": "KILLED"}


def test_a_folder_is_kept_from_one_execution_to_the_next(product: Plant, run: Run) -> None:
    source = """
id: cached
tasks:
  - id: wd
    type: core.flow.WorkingDirectory
    cache: {ttl: PT1H, patterns: ["kept/**"]}
    tasks:
      - id: sh
        type: io.kestra.plugin.scripts.shell.Commands
        commands: ["mkdir -p kept", "echo x >> kept/count", "echo '::{\\"outputs\\":{\\"n\\":'$(wc -l < kept/count)'}}::'"]
"""
    counts = [outputs(run(source), "sh")["vars"]["n"] for _ in range(3)]
    assert counts == [1, 2, 3]


# --- other executions

CHILD = """
id: child
inputs: [{id: rows, type: STRING}]
tasks:
  - {id: read, type: core.debug.Return, format: "{{ read(inputs.rows) }}"}
outputs: [{id: o, type: STRING, value: "{{ outputs.read.value }}"}]
"""
ITEMS = """
id: items
inputs: [{{id: file, type: FILE}}]
tasks:
  - id: each
    type: core.flow.ForEachItem
    items: "{{{{ inputs.file }}}}"
    batch: {batch}
    namespace: company.language
    flowId: child
    inputs: {{rows: "{{{{ taskrun.items }}}}"}}
  - {{id: merged, type: core.debug.Return, format: "{{{{ read(outputs.each_merge.subflowOutputs) }}}}"}}
  - {{id: second, type: core.debug.Return, format: "{{{{ read(outputs.each_items.subflowOutputsBaseUri ~ '/1/outputs.ion') }}}}"}}
"""


@pytest.mark.parametrize(
    ("batch", "expected"),
    [
        ("{rows: 2}", ["a\nb\n", "c\nd\n", "e\n"]),
        ("{partitions: 2}", ["a\nc\ne\n", "b\nd\n"]),
        ("{bytes: 4B}", ["a\nb\n", "c\nd\n", "e\n"]),
    ],
)
def test_a_file_in_batches_and_their_outputs_in_one_file(
    product: Plant, run: Run, batch: str, expected: list[str]
) -> None:
    store(product, CHILD)
    found = run(ITEMS.format(batch=batch), {"file": "@a\nb\nc\nd\ne"})
    assert state(found) == "SUCCESS", states(found)
    lines = outputs(found, "merged")["value"].splitlines()
    shown = ['{o:"' + text.replace("\n", "\\n") + '"}' for text in expected]
    assert lines == shown
    assert outputs(found, "second")["value"] == shown[1] + "\n"
    assert outputs(found, "each_items")["iterations"]["SUCCESS"] == len(expected)


def test_a_restart_of_the_parent_restarts_the_failed_child(product: Plant, run: Run) -> None:
    store(
        product, "id: flaky\ntasks: [{id: x, type: core.execution.Fail, condition: '{{ taskrun.attemptsCount == 0 }}'}]"
    )
    source = "id: parent\ntasks: [{id: sub, type: core.flow.Subflow, namespace: company.language, flowId: flaky}]"
    found = run(source)
    assert state(found) == "FAILED"
    child_id = outputs(found, "sub")["executionId"]
    product.request("POST", f"/api/v1/main/executions/{found['id']}/restart")
    again = wait(product, found["id"], "SUCCESS")
    assert outputs(again, "sub") == {"executionId": child_id, "state": "SUCCESS"}
    assert product.value("SELECT count(*) FROM executions WHERE flow_id = 'flaky'") == 1


def test_a_parent_does_not_wait_for_a_child_that_was_deleted(product: Plant, run: Run) -> None:
    store(product, "id: lost\ntasks: [{id: x, type: core.execution.Fail}]")
    found = run("id: orphan\ntasks: [{id: sub, type: core.flow.Subflow, namespace: company.language, flowId: lost}]")
    child_id = outputs(found, "sub")["executionId"]
    assert product.request("DELETE", f"/api/v1/main/executions/{child_id}")[0] == 204
    product.request("POST", f"/api/v1/main/executions/{found['id']}/restart")
    eventually(
        lambda: (
            len(product.get(f"/api/v1/main/executions/{found['id']}")["taskRunList"][0]["attempts"]) == 2
            and state(product.get(f"/api/v1/main/executions/{found['id']}")) == "FAILED"
        ),
        20,
        "the end of the restarted parent",
    )


# --- texts that become tasks


def test_a_template_is_taken_in_as_it_is_now(product: Plant, run: Run) -> None:
    template = '{{"id":"t","namespace":"company.language","tasks":[{{"id":"{}","type":"core.debug.Return","format":"{{{{ parent.outputs.args.x }}}}"}}]}}'
    assert (
        product.request("POST", "/api/v1/main/templates", template.format("one").encode(), "application/json")[0] == 200
    )
    source = "id: uses\ntasks: [{id: tpl, type: core.flow.Template, namespace: company.language, templateId: t, args: {x: '{{ 1 + 1 }}'}}]"
    assert outputs(run(source), "one") == {"value": "2"}
    path = "/api/v1/main/templates/company.language/t"
    assert product.request("PUT", path, template.format("two").encode(), "application/json")[0] == 200
    assert outputs(run(source), "two") == {"value": "2"}
    assert product.request("DELETE", path)[0] == 204
    assert states(run(source)) == {"tpl": "FAILED"}


def test_a_task_from_a_text(run: Run) -> None:
    spec = "{id: any, type: core.debug.Return, format: '{{ 40 + 2 }}'}"
    source = f'id: templated\ntasks:\n  - id: t\n    type: core.templating.TemplatedTask\n    spec: "{spec}"\n'
    assert outputs(run(source), "t") == {"value": "42"}
    for wrong in ("[1", "{id: any, type: core.flow.Sequential, tasks: []}", "{id: a, type: no.such}"):
        assert states(run(source.replace(spec, wrong))) == {"t": "FAILED"}


# --- the rest


def test_outputs_too_large_for_a_message_are_seen_by_conditions(run: Run) -> None:
    source = """
id: large
tasks:
  - {id: big, type: core.debug.Return, format: "{% for n in range(1, 3000) %}{{ n }} {% endfor %}"}
  - {id: branch, type: core.flow.If, condition: "{{ outputs.big.value contains '2999' }}", then: [{id: yes, type: core.log.Log, message: x}]}
"""
    assert states(run(source)) == {"big": "SUCCESS", "branch": "SUCCESS", "yes": "SUCCESS"}


def test_large_outputs_of_a_task_inside_are_stored_apart(product: Plant, run: Run) -> None:
    source = """
id: inner_large
tasks:
  - id: wd
    type: core.flow.WorkingDirectory
    tasks:
      - {id: big2, type: core.debug.Return, format: "{% for n in range(1, 3000) %}{{ n }} {% endfor %}"}
      - {id: small, type: core.debug.Return, format: "{{ outputs.big2.value | length }}"}
  - {id: after, type: core.debug.Return, format: "{{ outputs.big2.value | length }}"}
"""
    found = run(source)
    lengths = {outputs(found, name)["value"] for name in ("small", "after")}
    assert lengths == {str(len(outputs(found, "big2")["value"]))}
    assert product.value("SELECT outputs IS NULL AND outputs_ref > 0 FROM task_runs WHERE task_id = 'big2'")


@pytest.mark.parametrize(("fallback", "expected"), [("FAIL", "FAILED"), ("CANCEL", "CANCELLED")])
def test_a_worker_group_that_nobody_serves(run: Run, fallback: str, expected: str) -> None:
    group = f"workerGroup: {{key: nobody, fallback: {fallback}}}"
    found = run(
        f"id: group\ntasks: [{{id: x, type: core.log.Log, message: x, {group}}}, {{id: z, type: core.log.Log, message: z}}]"
    )
    assert (state(found), states(found)) == (expected, {"x": expected})


def test_lines_below_the_log_level_are_not_kept(product: Plant, run: Run) -> None:
    levels = ", ".join(
        f"{{id: {name}, type: core.log.Log, level: {name.upper()}, message: {name}, logLevel: WARN}}"
        for name in ("info", "warn", "error")
    )
    found = run(f"id: levels\ntasks: [{levels}]")
    assert [task for task, _ in logs(product, found)] == ["warn", "error"]


def test_a_pause_asks_and_checks(product: Plant, run: Run) -> None:
    source = """
id: asks
tasks:
  - {id: p, type: core.flow.Pause, onResume: [{id: n, type: INT, max: 5}, {id: f, type: FILE, required: false}]}
  - {id: z, type: core.debug.Return, format: "{{ outputs.p.onResume.n + 1 }} {{ read(outputs.p.onResume.f) }}"}
"""
    found = run(source, until="PAUSED")
    resume = f"/api/v1/main/executions/{found['id']}/resume"
    assert product.request("POST", resume, *form({"n": "9"}))[0] == 422
    assert product.request("POST", resume)[0] == 422
    assert product.request("POST", resume, *form({"n": "4", "f": "@text"}))[0] == 204
    assert outputs(wait(product, found["id"], "SUCCESS"), "z") == {"value": "5 text"}
    assert product.request("POST", resume, *form({"n": "4"}))[0] == 409


def test_the_log_of_a_task_goes_to_a_file(product: Plant, run: Run) -> None:
    source = """
id: filed
tasks:
  - {id: a, type: core.log.Log, message: "to the file", logToFile: true}
  - id: wd
    type: core.flow.WorkingDirectory
    tasks: [{id: b, type: core.log.Log, message: "from inside", level: WARN, logToFile: true}]
"""
    found = run(source)
    files = {one["taskId"]: one["attempts"][0].get("logFile") for one in found["taskRunList"]}
    assert content(product, found, files["a"]).endswith("INFO to the file\n")
    assert content(product, found, files["b"]).endswith("WARN from inside\n")
    assert (files["wd"], logs(product, found)) == (None, [])


def test_outputs_are_used_again_for_the_same_properties(product: Plant, run: Run) -> None:
    source = """
id: known
inputs: [{id: x, type: STRING}]
tasks:
  - id: t
    type: core.debug.Return
    format: "{{ inputs.x }} {{ now() }}"
    taskCache: {enabled: true, ttl: PT1H}
  - id: sh
    type: io.kestra.plugin.scripts.shell.Commands
    commands: ["echo '::{\\"outputs\\":{\\"n\\":'$(date +%N)'}}::' # {{ inputs.x }} in {{ workingDir }}"]
    taskCache: {enabled: "{{ true }}"}
"""
    first, second, other, again = (run(source, {"x": x}) for x in ("a", "a", "b", "a"))
    assert outputs(first, "sh") == outputs(second, "sh") != outputs(other, "sh")
    assert outputs(again, "sh") != outputs(first, "sh"), "only the last ones are kept"
    # What tells the time is never the same: such a task runs again.
    assert outputs(first, "t") != outputs(second, "t")
    cached = [task for task, text in logs(product, first) if "taskCache" in text]
    assert cached == ["sh"]


def test_an_execution_too_large_is_refused(product: Plant) -> None:
    store(product, "id: heavy\ninputs: [{id: s, type: STRING}]\ntasks: [{id: a, type: core.log.Log, message: x}]")
    status, answer = product.request("POST", f"{EXECUTIONS}/heavy", *form({"s": "x" * (11 << 20)}))
    assert status == 413, (status, str(answer)[:200])


def test_variables_of_the_installation_are_known_to_conditions(product: Plant, run: Run) -> None:
    source = 'id: env\ntasks: [{id: i, type: core.flow.If, condition: "{{ globals is defined and envs is defined }}", then: [{id: t, type: core.log.Log, message: x}]}]'
    assert states(run(source)) == {"i": "SUCCESS", "t": "SUCCESS"}
