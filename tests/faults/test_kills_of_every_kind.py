"""A kill reaches every kind of task: all below stops within ten seconds, and nothing of it is left."""

import time
from pathlib import Path

from executions import actions
from tests.plant import Plant, eventually

CHILD = """
id: child
namespace: company.team
tasks:
  - {id: nap, type: core.flow.Sleep, duration: PT60S}
"""
LONG = "{id: nap, type: core.flow.Sleep, duration: PT60S}"
SUBFLOW = "{id: sub, type: core.flow.Subflow, namespace: company.team, flowId: child}"
KINDS = {
    "sleep": LONG,
    "script": "{id: sh, type: io.kestra.plugin.scripts.shell.Commands, commands: ['%(script)s']}",
    "inside": "{id: wd, type: core.flow.WorkingDirectory, tasks: [{id: sh2, type: "
    "io.kestra.plugin.scripts.shell.Commands, commands: ['%(script)s']}]}",
    "parallel": "{id: p, type: core.flow.Parallel, tasks: [{id: a, type: core.flow.Sleep, duration: PT60S}, "
    "{id: b, type: core.flow.Sleep, duration: PT60S}]}",
    "loop": "{id: f, type: core.flow.ForEach, values: [1, 2, 3], concurrencyLimit: 0, tasks: [%(long)s]}",
    "until": "{id: w, type: core.flow.LoopUntil, condition: '{{ false }}', tasks: [{id: l, type: core.log.Log, "
    "message: x}]}",
    "pause": "{id: p, type: core.flow.Pause}",
    "retry": "{id: r, type: core.execution.Fail, retry: {type: constant, interval: PT60S, maxAttempt: 2}}",
    "subflow": SUBFLOW,
    "subflows": "{id: f, type: core.flow.ForEach, values: [1, 2], concurrencyLimit: 0, tasks: [%(sub)s]}",
}


def test_a_kill_during_each_kind_of_task(plant: Plant, open_folder: Path) -> None:
    script = f"echo $$ >> {open_folder}/pids; sleep 61.7 & sleep 61.7; wait"
    plant.define(CHILD)
    for name, text in KINDS.items():
        body = text % {"script": script, "long": LONG, "sub": SUBFLOW} if "%(" in text else text
        limit = "concurrency: {limit: 5}"
        plant.define(
            f"id: {name}\nnamespace: company.team\n{limit}\ntasks:\n  - {body}\n  - {{id: z, type: core.log.Log, message: never}}\n"
        )
    plant.executor().wait_until_ready()
    plant.worker("-c", "16").wait_until_ready()
    ids = [plant.trigger(name)[0] for name in KINDS]
    pids = open_folder / "pids"
    eventually(lambda: pids.exists() and pids.read_text().count("\n") == 2, 30, "the start of the scripts")
    eventually(
        lambda: plant.value("SELECT count(*) FROM executions WHERE flow_id = 'child' AND state = 'RUNNING'") == 3,
        20,
        lambda: f"three children ({plant.left()})",
    )
    eventually(lambda: plant.value("SELECT count(*) FROM worker_jobs WHERE claimed_by IS NULL") == 0, 20, "all claims")
    begun = time.monotonic()
    for execution_id in ids:
        actions.kill(execution_id)
    plant.wait_until_ended(10)
    assert time.monotonic() - begun < 10
    assert plant.rows("SELECT DISTINCT state FROM executions") == [("KILLED",)]
    assert plant.rows("SELECT DISTINCT state FROM task_runs WHERE state NOT IN ('KILLED', 'FAILED', 'SUCCESS')") == []
    assert plant.value("SELECT count(*) FROM task_runs WHERE task_id = 'z'") == 0
    for table in ("concurrency_slots", "worker_jobs"):
        eventually(lambda table=table: plant.value(f"SELECT count(*) FROM {table}") == 0, 10, f"an empty {table}")
    eventually(lambda: not _left_of(str(pids)), 10, lambda: f"the end of {_left_of(str(pids))}")


def _left_of(script: str) -> list[str]:
    """Living processes that still run something of the scripts."""
    found = []
    for line in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            command = line.read_bytes().replace(b"\x00", b" ").decode(errors="replace")
        except OSError:
            continue
        if command.startswith("sleep 61.7") or script in command:
            found.append(command)
    return found
