"""kill -9 of executors and workers, at any moment: every execution ends, exactly once."""

import random
import threading
import time
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.plant import Plant, Process, eventually, settled_faults, size

# Each kill waits for a process to start: on a busy machine that takes its time.
pytestmark = pytest.mark.timeout(400)

ROUTE = """
id: route
namespace: company.team
tasks:
  - {id: first, type: core.debug.Return, format: "{{ execution.id }}"}
  - id: each
    type: core.flow.ForEach
    values: [1, 2, 3, 4]
    concurrencyLimit: 0
    tasks:
      - {id: a, type: core.debug.Return, format: "{{ taskrun.value }}"}
      - {id: b, type: core.flow.Sleep, duration: PT0.02S}
  - {id: last, type: core.debug.Return, format: "{{ outputs.a['4'].value }}"}
"""
ROUTE_RUNS = 11
WORK = """
id: work
namespace: company.team
tasks:
  - {id: one, type: core.flow.Sleep, duration: PT0.1S}
  - {id: two, type: core.flow.Sleep, duration: PT0.1S}
"""


def keep_killing(plant: Plant, victims: list[Process], flow_id: str, pause: tuple[float, float], seed: int) -> int:
    """Again and again, as soon as both victims are up: start 25 executions and at a random moment kill and replace one
    of the two. How many kills."""
    chance, lots = random.Random(seed), size(8, 40)
    for kills in range(lots):
        victim = victims[kills % 2]
        for one in victims:
            one.wait_until_ready()
        plant.trigger(flow_id, 25)
        time.sleep(chance.uniform(*pause))  # the moment of the fault
        victim.kill()
        victim.restart()
    plant.wait_until_ended(100)
    return lots


def test_executors_killed_again_and_again_lose_and_double_nothing(plant: Plant) -> None:
    plant.define(ROUTE)
    executors = [plant.executor().wait_until_ready(), plant.executor().wait_until_ready()]
    plant.worker().wait_until_ready()
    kills = keep_killing(plant, executors, "route", (0.02, 0.5), seed=1)
    assert settled_faults(plant, runs=ROUTE_RUNS) == []
    assert plant.rows("SELECT state, count(*) FROM executions GROUP BY 1") == [("SUCCESS", kills * 25)]


def test_workers_killed_again_and_again_cost_one_more_attempt_each_at_most(plant: Plant) -> None:
    plant.define(WORK)
    plant.executor().wait_until_ready()
    workers = [plant.worker("-c", "4").wait_until_ready(), plant.worker("-c", "4").wait_until_ready()]
    kills = keep_killing(plant, workers, "work", (0.1, 0.5), seed=2)
    assert settled_faults(plant, runs=2, most_lost=3) == []
    assert plant.rows("SELECT state, count(*) FROM executions GROUP BY 1") == [("SUCCESS", kills * 25)]
    lost = plant.value(
        "SELECT count(*) FROM task_runs, jsonb_array_elements(attempts) AS a WHERE (a->>'lost')::boolean"
    )
    assert 0 < lost <= kills * 8, "what a worker of 4 threads runs and has in front of it"


def test_a_killed_workers_task_runs_again_elsewhere_within_about_a_second(plant: Plant, open_folder: Path) -> None:
    plant.define(
        f"""
id: slow
namespace: company.team
tasks:
  - id: script
    type: io.kestra.plugin.scripts.shell.Commands
    commands: ["echo $$ >> {open_folder}/effects; [ $(wc -l < {open_folder}/effects) -gt 1 ] || sleep 60"]
"""
    )
    effects = open_folder / "effects"
    effects.touch()
    effects.chmod(0o666)
    plant.executor().wait_until_ready()
    first = plant.worker().wait_until_ready()
    plant.trigger("slow")
    eventually(lambda: effects.read_text().count("\n") == 1, 15, "the start of the script")
    plant.worker().wait_until_ready()
    eventually(lambda: executor_watched(plant) > 3.5, 10, "a settled recovery loop")
    first.kill()
    killed = time.monotonic()
    eventually(lambda: effects.read_text().count("\n") == 2, 15, lambda: f"the second run ({plant.left()})")
    assert time.monotonic() - killed < 2.0
    plant.wait_until_ended()
    assert settled_faults(plant, runs=1, most_lost=1) == []
    orphan = Path("/proc") / effects.read_text().split()[0]
    eventually(lambda: not orphan.exists(), 10, "the end of the script that the dead worker left")


def executor_watched(plant: Plant) -> float:
    return float(
        plant.value("SELECT extract(epoch FROM now() - started) FROM service_instances WHERE kind = 'executor'")
    )


def test_a_task_that_always_kills_its_worker_fails_after_three_more_tries(plant: Plant) -> None:
    plant.define(
        """
id: deadly
namespace: company.team
tasks:
  - {id: boom, type: core.flow.Sleep, duration: PT30S}
"""
    )
    plant.executor().wait_until_ready()
    worker = plant.worker().wait_until_ready()
    plant.trigger("deadly")
    for attempt in range(1, 5):
        eventually(
            lambda attempt=attempt: (
                plant.value("SELECT jsonb_array_length(attempts) FROM task_runs") == attempt  # type: ignore[misc]
                and plant.value("SELECT count(*) FROM worker_jobs WHERE claimed_by IS NOT NULL") == 1
            ),
            20,
            lambda: f"the next attempt ({plant.left()})",
        )
        worker.kill()
        worker.restart()
    plant.wait_until_ended(20)
    assert plant.value("SELECT state FROM executions") == "FAILED"
    assert "4 workers died" in plant.value("SELECT string_agg(message, ' ') FROM logs WHERE level = 4")
    assert settled_faults(plant, runs=1, most_lost=4) == []


def test_an_executor_killed_while_it_asks_for_the_engine_is_replaced_within_seconds(plant: Plant) -> None:
    """`http()` in a condition: the engine waits for an answer outside the transaction, its messages are only hidden."""
    asked = threading.Event()

    class Slow(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            first = not asked.is_set()
            asked.set()
            if first:
                time.sleep(15)  # the fault: whoever asked first gets no answer in time
            with suppress(OSError):
                self.send_response(200)
                self.end_headers()
                self.wfile.write(b"yes")

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Slow) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        plant.define(
            f"""
id: asks
namespace: company.team
tasks:
  - id: choose
    type: core.flow.If
    condition: "{{{{ http('http://127.0.0.1:{server.server_port}/') contains 'yes' }}}}"
    then: [{{id: right, type: core.debug.Return, format: x}}]
"""
        )
        executor = plant.executor().wait_until_ready()
        plant.worker().wait_until_ready()
        plant.trigger("asks")
        assert asked.wait(20), plant.left()
        executor.kill()
        killed = time.monotonic()
        executor.restart()
        plant.wait_until_ended(20)
        assert time.monotonic() - killed < 10
        server.shutdown()
    assert settled_faults(plant, runs=2) == []
    assert plant.value("SELECT state FROM executions") == "SUCCESS"
