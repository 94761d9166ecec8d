"""Processes that stand still and wake up later, when others have taken over."""

from tests.plant import Plant, Process, eventually, settled_faults

SLOW = """
id: slow
namespace: company.team
tasks:
  - {id: wait, type: core.flow.Sleep, duration: PT3S}
  - {id: after, type: core.debug.Return, format: done}
"""


def test_a_frozen_workers_late_results_are_refused(plant: Plant) -> None:
    plant.define(SLOW)
    plant.executor().wait_until_ready()
    frozen = plant.worker("-c", "4").wait_until_ready()
    plant.trigger("slow", 4)
    running = "SELECT count(*) FROM task_runs WHERE state = 'RUNNING'"
    eventually(lambda: plant.value(running) == 4, 20, "the start of all tasks")
    frozen.freeze()
    holder = plant.value("SELECT DISTINCT claimed_by FROM worker_jobs")
    plant.worker("-c", "4").wait_until_ready()
    eventually(
        lambda: plant.value("SELECT count(*) FROM worker_jobs WHERE claimed_by <> %s", holder) == 4,
        15,
        lambda: f"the tasks' second start: {plant.left()}",
    )
    frozen.thaw()  # while the second attempts run
    eventually(lambda: refused(frozen) == 4, 15, lambda: f"refusals: {frozen.said()}")
    plant.wait_until_ended(20)
    assert settled_faults(plant, runs=2, most_lost=1) == []
    assert plant.rows("SELECT state, count(*) FROM executions GROUP BY 1") == [("SUCCESS", 4)]
    attempts = plant.rows("SELECT jsonb_array_length(attempts) FROM task_runs WHERE task_id = 'wait'")
    assert attempts == [(2,)] * 4
    assert plant.value("SELECT count(*) FROM service_instances WHERE kind = 'worker' AND pid = %s", frozen.pid) == 1
    plant.trigger("slow", 8)
    plant.wait_until_ended(20)
    assert frozen.popen.poll() is None
    assert plant.rows("SELECT state, count(*) FROM executions GROUP BY 1") == [("SUCCESS", 12)]


def refused(worker: Process) -> int:
    """By the database, or by the worker itself when it has heard first that it was held for dead."""
    return worker.said().count("refused: a late result") + worker.said().count(
        "came back after its attempt had been ended"
    )


def test_an_executor_frozen_in_the_middle_of_a_transaction_loses_it_to_the_other(plant: Plant) -> None:
    plant.define(
        """
id: quick
namespace: company.team
tasks:
  - {id: one, type: core.debug.Return, format: "{{ execution.id }}"}
  - {id: two, type: core.debug.Return, format: "{{ outputs.one.value }}"}
"""
    )
    frozen = plant.executor().wait_until_ready()
    plant.worker().wait_until_ready()
    for _ in range(100):
        plant.trigger("quick", 30)
        frozen.freeze()
        if eventually_locked(plant):
            break
        frozen.thaw()
    stuck = locked(plant)
    assert stuck, "the fault must have happened"
    plant.executor().wait_until_ready()
    plant.trigger("quick", 20)
    eventually(lambda: plant.open() <= stuck, 10, lambda: f"the end of those that are not held: {plant.left()}")
    plant.wait_until_ended(30)
    frozen.thaw()
    plant.trigger("quick", 20)
    plant.wait_until_ended(30)
    assert settled_faults(plant, runs=2) == []
    assert plant.rows("SELECT DISTINCT state FROM executions") == [("SUCCESS",)]
    assert frozen.popen.poll() is None


def eventually_locked(plant: Plant) -> bool:
    """Statements that were on their way at the stop end first: rows locked twice in a row stay so."""
    return locked(plant) > 0 and all(locked(plant) > 0 for _ in range(20))


def locked(plant: Plant) -> int:
    """Open executions whose rows somebody holds."""
    with plant.connection.transaction():
        free = plant.rows("SELECT id FROM executions WHERE state <> 'SUCCESS' FOR UPDATE SKIP LOCKED")
        return int(plant.value("SELECT count(*) FROM executions WHERE state <> 'SUCCESS'")) - len(free)


def test_the_sessions_of_an_executor_that_is_held_for_dead_are_ended(plant: Plant) -> None:
    frozen = plant.executor().wait_until_ready()
    mine = f"%{frozen.pid}@%"
    sessions = "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE %s"
    assert plant.value(sessions, mine) > 1
    frozen.freeze()
    plant.executor().wait_until_ready()
    eventually(lambda: plant.value(sessions, mine) == 0, 20, "the end of the frozen executor's sessions")
    frozen.thaw()
    eventually(lambda: plant.value(sessions, mine) > 1, 20, "new sessions of the thawed executor")
