"""A flow's concurrency limit under racing starts and kill -9 of executors and workers: exact at every recorded instant."""

import random
import time
from typing import Any

from tests.plant import Plant, Process, size

LIMIT = 3
FLOW = """
id: {behavior}
namespace: company.team
concurrency: {{limit: 3, behavior: {behavior}}}
tasks:
  - {{id: work, type: core.flow.Sleep, duration: PT0.02S}}
"""


def race(plant: Plant, victims: list[Process], flow_id: str, count: int, seed: int) -> None:
    """So many starts in lots, a kill of somebody after each, until all have ended."""
    chance, kills, lots = random.Random(seed), 0, 5
    deadline = time.monotonic() + 90
    while kills < lots or plant.open():
        assert time.monotonic() < deadline, f"seed {seed}, {kills} kills: {plant.left()}"
        if kills < lots:
            plant.trigger(flow_id, count // lots)
            time.sleep(chance.uniform(0.02, 0.5))
            victim = victims[kills % len(victims)]
            victim.kill()
            victim.restart()
            kills += 1
        else:
            time.sleep(0.1)


def histories(plant: Plant, flow_id: str) -> list[dict[str, Any]]:
    """Of each execution, its states with the moments they began."""
    rows = plant.rows("SELECT histories FROM executions WHERE flow_id = %s", flow_id)
    return [dict(history) for (history,) in rows]


def most_at_once(found: list[dict[str, Any]]) -> int:
    """The largest number that ran together; an end and a start at the same instant are no overlap."""
    ends = ("SUCCESS", "WARNING", "FAILED", "KILLED")
    events = [(history["RUNNING"], 1) for history in found if "RUNNING" in history]
    events += [(history[end], -1) for history in found for end in ends if "RUNNING" in history and end in history]
    running = most = 0
    for _, change in sorted(events):
        running += change
        most = max(most, running)
    return most


def test_the_limit_holds_at_every_instant_and_no_slot_is_leaked(plant: Plant) -> None:
    for behavior in ("QUEUE", "CANCEL"):
        plant.define(FLOW.format(behavior=behavior))
    victims = [plant.executor().wait_until_ready(), plant.executor().wait_until_ready()]
    victims.append(plant.worker("-c", "8").wait_until_ready())
    count = size(200, 1000)
    race(plant, victims, "QUEUE", count, seed=11)
    queued = histories(plant, "QUEUE")
    assert len(queued) == count and all("SUCCESS" in history for history in queued)
    assert most_at_once(queued) == LIMIT
    waited = sorted((history["QUEUED"], history["RUNNING"]) for history in queued if "QUEUED" in history)
    assert len(waited) > count // 2
    starts = [start for _, start in waited]
    assert starts == sorted(set(starts)), "they start in the order of the queue, each at a moment of its own"
    race(plant, victims, "CANCEL", count // 4, seed=12)
    cancelled = histories(plant, "CANCEL")
    assert most_at_once(cancelled) <= LIMIT
    assert {next(reversed(history)) for history in cancelled} == {"SUCCESS", "CANCELLED"}
    assert plant.value("SELECT count(*) FROM concurrency_slots") == 0
    assert plant.value("SELECT count(*) FROM worker_jobs") == 0
