"""The database goes away under load: restarted, crashed, every connection cut. Nothing is lost and nobody has to help."""

import asyncio
import os
import random
import signal
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from executions.ids import to_base62
from orchestrator_site import postgres, postgres_cluster
from orchestrator_site.postgres_cluster import Cluster
from tests.faults.test_live_followers import Transcript
from tests.plant import Plant, django_on, eventually, settled_faults

WORK = """
id: work
namespace: company.team
tasks:
  - {id: one, type: core.debug.Return, format: "{{ kv('city') }}"}
  - {id: two, type: core.flow.Sleep, duration: PT0.05S, runIf: "{{ kv('city') == 'Nantes' }}"}
  - {id: three, type: core.debug.Return, format: "{{ outputs.one.value }}"}
"""
CITY = (
    "INSERT INTO key_values (namespace, key, type, value, description, created, updated)"
    " VALUES ('company.team', 'city', 'STRING', '\"Nantes\"', '', now(), now())"
)
CUT = (
    "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
    " WHERE datname = current_database() AND pid <> pg_backend_pid()"
)


def test_every_connection_cut_again_and_again(plant: Plant) -> None:
    plant.define(WORK)
    plant.connection.execute(CITY)
    executor = plant.executor("--threads", "2").wait_until_ready()
    worker = plant.worker().wait_until_ready()
    chance, cut = random.Random(3), 0
    for _ in range(25):
        plant.trigger("work", 8)
        time.sleep(chance.uniform(0.02, 0.4))
        cut += int(plant.value(CUT.replace("pid <>", "application_name LIKE 'celesta %%' AND pid <>")))
    assert cut > 100, "the fault must have happened"
    plant.wait_until_ended(30)
    assert settled_faults(plant, runs=3, most_lost=0) == []
    assert plant.rows("SELECT state, count(*) FROM executions GROUP BY 1") == [("SUCCESS", 200)]
    assert executor.popen.poll() is None and worker.popen.poll() is None
    assert "Traceback" not in executor.said() + worker.said()


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    """An embedded server of this test alone."""
    with tempfile.TemporaryDirectory(prefix="celesta-restart-") as name:
        os.chmod(name, 0o711)
        lease = postgres.ensure(Path(name) / "home")
        try:
            yield lease.cluster
        finally:
            lease.release()


@pytest.fixture
def own_plant(cluster: Cluster, tmp_path: Path, django_db_blocker: Any) -> Iterator[Plant]:
    from django.core.management import call_command

    with django_db_blocker.unblock(), django_on(cluster.conninfo):
        call_command("migrate", verbosity=0, interactive=False)
        opened = Plant(cluster.conninfo, tmp_path)
        yield opened
        opened.end()


def test_postgresql_restarted_and_crashed_under_load(own_plant: Plant, cluster: Cluster) -> None:
    plant = own_plant
    plant.define(WORK)
    plant.connection.execute(CITY)
    executor = plant.executor().wait_until_ready()
    worker = plant.worker().wait_until_ready()
    kept = []
    for how in (signal.SIGINT, signal.SIGQUIT, signal.SIGKILL):  # fast, immediate, kill -9
        kept += plant.trigger("work", 60)
        time.sleep(random.Random(how).uniform(0.05, 0.4))
        before = postgres_cluster.live_postmaster(cluster)
        assert before is not None
        os.kill(before, how)
        eventually(
            lambda before=before: postgres_cluster.live_postmaster(cluster) not in (None, before),  # type: ignore[misc]
            20,
            f"the restart after {how.name}",
        )
        _wait_for(cluster)
        back = time.monotonic()
        plant.trigger("work", 1)
        eventually(lambda: plant.open() == 0, 30, lambda how=how: f"recovery from {how.name}: {plant.left()}")
        assert time.monotonic() - back < 10, f"recovery from {how.name}"
    assert plant.value("SELECT count(*) FROM executions") == len(kept) + 3
    assert settled_faults(plant, runs=3, most_lost=1) == []
    assert plant.rows("SELECT DISTINCT state FROM executions") == [("SUCCESS",)]
    assert executor.popen.poll() is None and worker.popen.poll() is None


def test_clients_of_a_web_process_whose_database_restarts(own_plant: Plant, cluster: Cluster, free_port: int) -> None:
    """Each request is answered, with 200 or 503; what was acknowledged exists; a follower sees the end."""
    plant = own_plant
    plant.define(WORK)
    plant.connection.execute(CITY)
    plant.define(WORK.replace("id: work", "id: patient").replace("PT0.05S", "PT8S"))
    plant.executor().wait_until_ready()
    plant.worker("-c", "8").wait_until_ready()
    web = plant.web(free_port)
    watched = Transcript(plant.trigger("patient")[0])
    follower = threading.Thread(target=lambda: asyncio.run(watched.follow(free_port)), daemon=True)
    follower.start()
    eventually(lambda: watched.events, 10, "the first event")
    answers: list[tuple[int, Any, float]] = []
    for how in (signal.SIGINT, signal.SIGKILL):
        before = postgres_cluster.live_postmaster(cluster)
        assert before is not None
        for number in range(100):
            if number == 20:
                os.kill(before, how)
            began = time.monotonic()
            answer = plant.request("POST", "/api/v1/main/executions/company.team/work")
            answers.append((*answer, time.monotonic() - began))
            time.sleep(0.02)
        assert plant.request("GET", "/health")[0] == 200
        _wait_for(cluster)
    assert {status for status, _, _ in answers} == {200, 503}, Counter(status for status, _, _ in answers)
    assert all("database" in answer["message"] for status, answer, _ in answers if status == 503)
    assert max(seconds for _, _, seconds in answers) < 10
    eventually(lambda: plant.get("/ready").get("status") == "UP", 20, lambda: plant.get("/ready"))
    plant.wait_until_ended(40)
    acknowledged = {answer["id"] for status, answer, _ in answers if status == 200}
    stored = {to_base62(row[0]) for row in plant.rows("SELECT id FROM executions")}
    assert acknowledged <= stored and len(acknowledged) > 60
    assert settled_faults(plant, runs=3, most_lost=1) == []
    follower.join(10)
    assert watched.is_closed and watched.faults() == []
    assert web.popen.poll() is None


def _wait_for(cluster: Cluster) -> None:
    def answers() -> bool:
        try:
            with psycopg.connect(cluster.conninfo, connect_timeout=2) as connection:
                connection.execute("SELECT 1")
        except psycopg.OperationalError:
            return False
        return True

    eventually(answers, 30, "PostgreSQL's answer")
    from django.db import connections

    connections["default"].close()
