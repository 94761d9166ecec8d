"""Many results at the same time, several executors with several loops: joined once, shared, without a deadlock."""

import re

from tests.plant import Plant, Process, eventually, settled_faults, size

WIDE = """
id: wide
namespace: company.team
tasks:
  - id: each
    type: core.flow.ForEach
    values: "{{ range(1, 200) }}"
    concurrencyLimit: 0
    tasks:
      - {id: one, type: core.debug.Return, format: "{{ taskrun.value }}"}
  - {id: joined, type: core.debug.Return, format: "{{ outputs.one | length }}"}
"""
LONG = """
id: long
namespace: company.team
tasks:
  - id: fan
    type: core.flow.ForEach
    values: [1, 2, 3, 4, 5, 6, 7, 8, 9]
    concurrencyLimit: 0
    tasks:
      - {id: a, type: core.debug.Return, format: "{{ taskrun.value }}"}
      - {id: b, type: core.debug.Return, format: "{{ outputs.a[taskrun.value].value }}"}
  - {id: last, type: core.debug.Return, format: end}
"""
LONG_RUNS = 20
TROUBLE = re.compile(
    r"transaction\.again|loop\.failed|batch\.failed|message\.failed|message\.parked|Traceback|deadlock"
)


def test_200_tasks_that_finish_at_once_are_joined_exactly_once(plant: Plant) -> None:
    plant.define(WIDE)
    executors = [plant.executor("--threads", "2").wait_until_ready() for _ in range(2)]
    worker = plant.worker().wait_until_ready()
    for round_ in range(1, size(3, 20) + 1):
        worker.freeze()
        plant.trigger("wide")
        eventually(lambda: plant.value("SELECT count(*) FROM worker_jobs") == 200, 20, "200 jobs")
        for executor in executors:
            executor.freeze()
        worker.thaw()
        eventually(
            lambda: plant.value("SELECT count(*) FROM queues WHERE type = 'task.finished'") == 200,
            20,
            lambda: f"200 results: {plant.left()}",
        )
        for executor in executors:
            executor.thaw()
        plant.wait_until_ended(20)
        assert plant.value("SELECT count(*) FROM task_runs WHERE task_id = 'joined'") == round_
    assert settled_faults(plant, runs=202) == []
    assert plant.rows("SELECT DISTINCT outputs->>'value' FROM task_runs WHERE task_id = 'joined'") == [("200",)]


def test_two_executors_of_four_loops_share_the_work_without_a_deadlock(plant: Plant) -> None:
    plant.define(LONG)
    executors = [plant.executor("--threads", "4").wait_until_ready() for _ in range(2)]
    plant.worker().wait_until_ready()
    count = size(100, 500)
    for _ in range(10):
        plant.trigger("long", count // 10)
    plant.wait_until_ended(size(60, 300))
    assert settled_faults(plant, runs=LONG_RUNS) == []
    assert plant.rows("SELECT state, count(*) FROM executions GROUP BY 1") == [("SUCCESS", count)]
    assert plant.value("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()") == 0
    eventually(lambda: all(applied(plant, executor) > count for executor in executors), 10, "work of both executors")
    for executor in executors:
        assert not TROUBLE.search(executor.said()), executor.said()


def applied(plant: Plant, executor: Process) -> int:
    """Messages, as the executor tells them with its heartbeat."""
    return int(
        plant.value("SELECT COALESCE(facts->>'messages', '0') FROM service_instances WHERE pid = %s", executor.pid)
    )
