"""Redis and RabbitMQ as Celery's broker: messages may be lost or doubled, the broker may go away; `worker_jobs` knows
better."""

import random
import time
from collections.abc import Iterator

import pytest

from executions.ids import to_base62
from tests.faults.brokers import KINDS, Broker
from tests.plant import Plant, eventually, settled_faults

WORK = """
id: work
namespace: company.team
tasks:
  - {id: one, type: core.debug.Return, format: "{{ execution.id }}"}
  - {id: two, type: core.flow.Sleep, duration: PT0.02S}
"""
UNCLAIMED = "SELECT id, token FROM worker_jobs WHERE claimed_by IS NULL"


@pytest.fixture(scope="module", params=KINDS)
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    kind = KINDS[request.param]
    program = kind.find()
    if program is None:
        pytest.skip(f"no {kind.package} found (Debian: apt-get install {kind.package})")
    started = kind(program, tmp_path_factory.mktemp("broker")).start()
    yield started
    started.end()


@pytest.fixture
def broker(server: Broker) -> Broker:
    server.lose_messages()
    return server


def test_messages_of_a_broker_that_are_lost_and_doubled_change_nothing(plant: Plant, broker: Broker) -> None:
    plant.define(WORK)
    executor = plant.executor(CELERY_BROKER_URL=broker.url).wait_until_ready()
    plant.worker("-c", "4", CELERY_BROKER_URL=broker.url).wait_until_ready()
    chance, lost, doubled = random.Random(7), 0, 0
    for _ in range(30):
        plant.trigger("work", 5)
        time.sleep(chance.uniform(0, 0.05))
        if chance.random() < 0.3:
            lost += broker.lose_messages()
        else:
            jobs = [(row[0], to_base62(row[1])) for row in plant.rows(UNCLAIMED)]
            broker.double(jobs)
            doubled += len(jobs)
    assert doubled > 0, "the fault must have happened"
    print(f"{lost} messages lost, {doubled} doubled")
    plant.wait_until_ended(40)
    assert settled_faults(plant, runs=2, most_lost=0) == []
    assert plant.rows("SELECT state, count(*) FROM executions GROUP BY 1") == [("SUCCESS", 150)]
    assert executor.popen.poll() is None


def test_a_broker_that_is_away_delays_and_loses_nothing(plant: Plant, broker: Broker) -> None:
    plant.define(WORK)
    executor = plant.executor(CELERY_BROKER_URL=broker.url).wait_until_ready()
    worker = plant.worker("-c", "4", CELERY_BROKER_URL=broker.url).wait_until_ready()
    plant.trigger("work", 20)
    plant.wait_until_ended(20)
    broker.kill()
    began = time.monotonic()
    plant.trigger("work", 20)
    assert time.monotonic() - began < 1, "who triggers does not wait for a broker"
    eventually(lambda: plant.value("SELECT count(*) FROM worker_jobs") == 20, 10, "the executor goes on meanwhile")
    broker.start()
    plant.wait_until_ended(40)
    assert settled_faults(plant, runs=2, most_lost=0) == []
    assert plant.rows("SELECT state, count(*) FROM executions GROUP BY 1") == [("SUCCESS", 40)]
    assert executor.popen.poll() is None and worker.popen.poll() is None
