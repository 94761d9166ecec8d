"""Users' kills and operators' stops among dying processes: what was told to end ends, what was under way is not lost."""

import time

from executions import actions
from tests.plant import Plant, eventually, settled_faults

LONG = """
id: long
namespace: company.team
tasks:
  - {id: wait, type: core.flow.Sleep, duration: PT60S}
  - {id: after, type: core.debug.Return, format: never}
"""


def running(plant: Plant) -> int:
    return int(plant.value("SELECT count(*) FROM task_runs WHERE task_id = 'wait' AND state = 'RUNNING'"))


def test_a_kill_without_any_worker_ends_at_once_and_its_task_never_runs(plant: Plant) -> None:
    plant.define(LONG)
    plant.executor().wait_until_ready()
    (execution_id,) = plant.trigger("long")
    eventually(lambda: plant.value("SELECT count(*) FROM worker_jobs") == 1, 20, "the job")
    actions.kill(execution_id)
    plant.wait_until_ended(10)
    assert plant.value("SELECT state FROM executions") == "KILLED"
    worker = plant.worker().wait_until_ready()
    assert settled_faults(plant, runs=1) == []
    assert worker.popen.poll() is None


def test_nothing_starts_again_after_the_kill_when_the_worker_dies_as_well(plant: Plant) -> None:
    plant.define(LONG)
    plant.executor().wait_until_ready()
    worker = plant.worker().wait_until_ready()
    ids = plant.trigger("long", 3)
    eventually(lambda: running(plant) == 3, 20, lambda: f"the start: {plant.left()}")
    worker.freeze()
    for execution_id in ids:
        actions.kill(execution_id)
    eventually(lambda: plant.value("SELECT count(*) FROM worker_jobs WHERE kill") == 3, 10, "the marks")
    worker.kill()
    plant.worker().wait_until_ready()
    plant.wait_until_ended(20)
    assert plant.rows("SELECT DISTINCT state FROM executions") == [("KILLED",)]
    assert plant.rows("SELECT DISTINCT jsonb_array_length(attempts) FROM task_runs") == [(1,)]
    assert settled_faults(plant, runs=1) == []


def test_a_worker_that_is_told_to_stop_finishes_what_it_runs_also_when_that_fails(plant: Plant) -> None:
    plant.define(
        """
id: ending
namespace: company.team
tasks:
  - id: both
    type: core.flow.Parallel
    tasks:
      - {id: good, type: io.kestra.plugin.scripts.shell.Commands, commands: ["sleep 2; echo '::{\\"outputs\\":{\\"x\\":1}}::'"]}
      - {id: bad, type: io.kestra.plugin.scripts.shell.Commands, commands: ["sleep 2; exit 3"]}
"""
    )
    plant.executor().wait_until_ready()
    worker = plant.worker().wait_until_ready()
    plant.trigger("ending")
    eventually(
        lambda: plant.value("SELECT count(*) FROM task_runs WHERE state = 'RUNNING' AND task_id <> 'both'") == 2,
        20,
        lambda: f"the start: {plant.left()}",
    )
    assert worker.stop() == 0
    plant.wait_until_ended(10)
    states = dict(plant.rows("SELECT task_id, state FROM task_runs"))
    assert states == {"both": "FAILED", "good": "SUCCESS", "bad": "FAILED"}
    assert settled_faults(plant, runs=3, most_lost=0) == []


def test_processes_that_are_replaced_in_turn_lose_no_attempt(plant: Plant) -> None:
    plant.define(LONG.replace("PT60S", "PT0.2S"))
    processes = [plant.executor(), plant.executor(), plant.worker("-c", "4"), plant.worker("-c", "4")]
    for process in processes:
        process.wait_until_ready()
    for process in processes:
        plant.trigger("long", 30)
        began = time.monotonic()
        assert process.stop() == 0, process.said()
        assert time.monotonic() - began < 10
        process.restart()
        process.wait_until_ready()
    plant.wait_until_ended(30)
    assert settled_faults(plant, runs=2, most_lost=0) == []
    assert plant.rows("SELECT state, count(*) FROM executions GROUP BY 1") == [("SUCCESS", 120)]


def test_a_flow_deleted_under_its_executions_does_not_disturb_them(plant: Plant) -> None:
    from flows import catalog

    plant.define(LONG.replace("PT60S", "PT0.5S"))
    executor = plant.executor().wait_until_ready()
    plant.worker().wait_until_ready()
    plant.trigger("long", 20)
    catalog.delete("company.team", "long")
    executor.kill()  # whoever comes next has no parsed flow in memory
    executor.restart()
    plant.wait_until_ended(30)
    assert plant.rows("SELECT state, count(*) FROM executions GROUP BY 1") == [("SUCCESS", 20)]
    assert settled_faults(plant, runs=2) == []


def test_cleaning_everything_under_load_disturbs_nothing(plant: Plant) -> None:
    from io import StringIO

    from django.core.management import call_command

    plant.define(LONG.replace("PT60S", "PT0.05S"))
    executor = plant.executor().wait_until_ready()
    worker = plant.worker().wait_until_ready()
    for _ in range(10):
        plant.trigger("long", 10)
        call_command("clean_queues", "--older-than", "PT0S", stdout=StringIO())
    plant.wait_until_ended(30)
    assert plant.rows("SELECT state, count(*) FROM executions GROUP BY 1") == [("SUCCESS", 100)]
    assert settled_faults(plant, runs=2) == []
    assert executor.popen.poll() is None and worker.popen.poll() is None
