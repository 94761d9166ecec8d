"""Flows of many shapes under faults of many kinds, at random moments of a printed seed."""

import os
import random
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from tests.plant import Plant, Process, settled_faults, size

KITCHEN = """
id: kitchen
namespace: company.team
labels: {kind: kitchen}
tasks:
  - {id: first, type: core.debug.Return, format: "{{ execution.id }}"}
  - id: at_once
    type: core.flow.Parallel
    tasks:
      - {id: p1, type: core.debug.Return, format: a}
      - {id: p2, type: core.flow.Sleep, duration: PT0.03S}
      - {id: p3, type: core.log.Log, message: "{{ outputs.first.value }}"}
  - id: outer
    type: core.flow.ForEach
    values: [1, 2]
    concurrencyLimit: 0
    tasks:
      - id: inner
        type: core.flow.ForEach
        values: [a, b, c]
        concurrencyLimit: 2
        tasks:
          - {id: leaf, type: core.debug.Return, format: "{{ parent.taskrun.value }}{{ taskrun.value }}"}
  - id: choose
    type: core.flow.If
    condition: "{{ outputs.first.value == execution.id }}"
    then:
      - id: which
        type: core.flow.Switch
        value: "{{ outputs.p1.value }}"
        cases:
          a: [{id: right, type: core.debug.Return, format: right}]
          b: [{id: wrong, type: core.execution.Fail}]
    else:
      - {id: wrong_too, type: core.execution.Fail}
  - id: flaky
    type: core.debug.Return
    format: "{{ taskrun.attemptsCount < 2 ? outputs.nothing.at.all : 'third time' }}"
    retry: {type: constant, interval: PT0.1S, maxAttempt: 9}
  - id: tolerant
    type: core.flow.AllowFailure
    tasks:
      - {id: bad, type: core.execution.Fail, errorMessage: no}
    errors:
      - {id: told, type: core.log.Log, message: it failed}
finally:
  - {id: done, type: core.log.Log, message: "{{ outputs.right.value }}"}
"""
KITCHEN_RUNS = 22
LIMITED = """
id: limited
namespace: company.team
concurrency: {limit: 2, behavior: QUEUE}
tasks:
  - {id: one, type: core.flow.Sleep, duration: PT0.02S}
  - {id: two, type: core.debug.Return, format: "{{ execution.id }}"}
"""
SCRIPTED = """
id: scripted
namespace: company.team
tasks:
  - id: effect
    type: io.kestra.plugin.scripts.shell.Commands
    commands: ["echo {{ taskrun.id }} >> FOLDER/effects; sleep 0.05"]
"""


class Nemesis:
    """What it does, it tells."""

    def __init__(self, plant: Plant, seed: int) -> None:
        self._plant, self._chance = plant, random.Random(seed)
        self.executors = [plant.executor("--threads", "2").wait_until_ready() for _ in range(2)]
        self.workers = [plant.worker("-c", "4").wait_until_ready() for _ in range(2)]
        self.done: Counter[str] = Counter()
        self._sleepers: list[threading.Timer] = []

    def strike(self) -> None:
        ways: list[Callable[[], None]] = [
            self.kill_executor, self.kill_worker, self.cut, self.freeze_executor, self.freeze_worker, self.terminate,
        ]  # fmt: skip
        way = self._chance.choice(ways)
        way()
        self.done[way.__name__] += 1

    def kill_executor(self) -> None:
        self._replace(self._chance.choice(self.executors))

    def kill_worker(self) -> None:
        self._replace(self._chance.choice(self.workers))

    def terminate(self) -> None:
        """As a rolling upgrade does."""
        one = self._chance.choice(self.executors + self.workers)
        one.thaw()
        assert one.stop() in (0, -signal.SIGTERM), one.said()  # by the signal itself while it was starting
        one.restart()

    def _replace(self, victim: Process) -> None:
        victim.kill()
        victim.restart()

    def cut(self) -> None:
        self._plant.value(
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = current_database()"
            " AND application_name LIKE 'celesta %%' AND random() < 0.5"
        )

    def freeze_executor(self) -> None:
        self._freeze(self._chance.choice(self.executors), 1.5)

    def freeze_worker(self) -> None:
        self._freeze(self._chance.choice(self.workers), 10.0)

    def _freeze(self, victim: Process, seconds: float) -> None:
        victim.freeze()
        timer = threading.Timer(seconds, self._thaw, [victim, victim.pid])
        timer.start()
        self._sleepers.append(timer)

    @staticmethod
    def _thaw(victim: Process, pid: int) -> None:
        if victim.pid == pid and victim.popen.poll() is None:
            victim.thaw()

    def rest(self) -> None:
        for timer in self._sleepers:
            timer.join()


def test_every_kind_of_flow_survives_every_kind_of_fault(plant: Plant, open_folder: Path) -> None:
    seed = int(os.environ.get("CELESTA_TEST_SEED", "11"))
    effects = open_folder / "effects"
    effects.touch()
    effects.chmod(0o666)
    for source in (KITCHEN, LIMITED, SCRIPTED.replace("FOLDER", str(open_folder))):
        plant.define(source)
    nemesis = Nemesis(plant, seed)
    for _ in range(int(os.environ.get("CELESTA_TEST_STRIKES") or size(12, 200))):
        plant.trigger("kitchen", 3)
        plant.trigger("limited", 2)
        plant.trigger("scripted", 1)
        nemesis.strike()
        time.sleep(0.3)
    nemesis.rest()
    print(f"seed {seed}: {dict(nemesis.done)}")
    plant.wait_until_ended(60)
    wrong = [
        fault for fault in settled_faults(plant, most_lost=3) if "flaky" not in fault or "without need" not in fault
    ]
    assert wrong == [], f"seed {seed}, {dict(nemesis.done)}"
    expected = [("kitchen", "WARNING"), ("limited", "SUCCESS"), ("scripted", "SUCCESS")]
    reasons = plant.rows(
        "SELECT DISTINCT task_id, message FROM logs WHERE level = 4 AND task_id NOT IN ('flaky', 'bad') LIMIT 20"
    )
    assert plant.rows("SELECT DISTINCT flow_id, state FROM executions ORDER BY 1") == expected, reasons
    assert counts(plant, "kitchen") == {KITCHEN_RUNS} and counts(plant, "limited") == {2}
    written = Counter(effects.read_text().split())
    attempts = dict(plant.rows("SELECT id::text, jsonb_array_length(attempts) FROM task_runs WHERE task_id = 'effect'"))
    from executions.ids import to_uuid

    assert len(written) == len(attempts), "every script ran"
    assert all(number <= attempts[str(to_uuid(run))] for run, number in written.items()), "never without an attempt"
    assert plant.value("SELECT count(*) FROM concurrency_slots") == 0


def counts(plant: Plant, flow_id: str) -> set[int]:
    rows = plant.rows(
        "SELECT DISTINCT (SELECT count(*) FROM task_runs t WHERE t.execution_id = e.id) FROM executions e"
        " WHERE flow_id = %s",
        flow_id,
    )
    return {row[0] for row in rows}
