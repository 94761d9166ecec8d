"""Followers over the real event streams: every state change is seen, in order, the last within 1.5 s of its commit."""

import asyncio
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import orjson
import psutil
import psycopg
import pytest

from executions import actions
from executions.ids import new_id
from tests.faults.test_messages import LOSE_NOTIFICATIONS
from tests.plant import Plant, authorization, eventually, settled_faults, size

FLOW = """
id: watched
namespace: company.team
tasks:
  - {id: one, type: core.flow.Sleep, duration: PT0.3S}
  - id: both
    type: core.flow.Parallel
    tasks:
      - {id: two, type: core.debug.Return, format: x}
      - {id: three, type: core.flow.Sleep, duration: PT0.4S}
  - {id: four, type: core.log.Log, message: bye}
"""
FOLLOWERS = 50


class Transcript:
    """What one follower got, with the time of arrival."""

    def __init__(self, execution_id: str) -> None:
        self.id = execution_id
        self.events: list[tuple[float, str, Any]] = []
        self.is_closed = False

    async def follow(self, port: int) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1 << 24)
        path = f"/api/v1/main/executions/{self.id}/follow"
        writer.write(f"GET {path} HTTP/1.0\r\nHost: localhost\r\nAuthorization: {authorization()}\r\n\r\n".encode())
        status = await reader.readline()
        assert b" 200 " in status, status
        while (await reader.readline()).strip():
            pass
        kind = ""
        while line := await reader.readline():
            if line.startswith(b"id: "):
                kind = line[4:].strip().decode()
            elif line.startswith(b"data: "):
                self.events.append((time.time(), kind, orjson.loads(line[6:])))
        self.is_closed = True
        writer.close()

    def faults(self) -> list[str]:
        kinds = [kind for _, kind, _ in self.events]
        wrong = []
        if not self.is_closed or kinds[0] != "start" or kinds[-1] != "end" or "end" in kinds[:-1]:
            wrong.append(f"kinds {kinds}")
        seen: dict[str, list[Any]] = {}
        for _, kind, execution in self.events:
            if kind == "start":
                continue
            for owner in (execution, *execution.get("taskRunList", [])):
                histories, before = owner["state"]["histories"], seen.get(owner["id"], [])
                if [entry["state"] for entry in histories[: len(before)]] != [entry["state"] for entry in before]:
                    wrong.append(f"{owner['id']} went from {before} to {histories}")
                seen[owner["id"]] = histories
        return wrong


async def follow_all(plant: Plant, transcripts: list[Transcript], act: Callable[[], Any]) -> None:
    """Half of the followers are there before anything happens."""
    early = [asyncio.create_task(one.follow(plant.port)) for one in transcripts[::2]]
    await asyncio.sleep(0.3)
    acting = asyncio.to_thread(act)
    late = [asyncio.create_task(one.follow(plant.port)) for one in transcripts[1::2]]
    await asyncio.wait_for(asyncio.gather(acting, *early, *late), 60)


class Nuisances:
    """Purges, transactions that commit late, and one that stays open, while the followers look on."""

    def __init__(self, plant: Plant) -> None:
        self._plant, self._over = plant, threading.Event()
        self._threads = [threading.Thread(target=self._hold), threading.Thread(target=self._purge)]

    def __enter__(self) -> "Nuisances":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()

    def _hold(self) -> None:
        """A write transaction that pins the snapshot horizon from before the first to after the last event."""
        with psycopg.connect(self._plant.conninfo) as connection:
            connection.execute("CREATE TABLE held (id int)")
            self._over.wait()
            connection.rollback()

    def _purge(self) -> None:
        with psycopg.connect(self._plant.conninfo, autocommit=True) as connection:
            while not self._over.wait(0.05):
                connection.execute("DELETE FROM queues WHERE stream")


class Over(Exception):
    """It has ended: its followers were let go and are told of no further change."""


def start_and_disturb(plant: Plant, ids: list[str]) -> None:
    """Executions that are committed half a second after they got their numbers, and labels that are changed likewise."""
    from django.db import connection, transaction

    for some in (ids[:10], ids[10:]):
        with transaction.atomic():
            for execution_id in some:
                actions.trigger("company.team", "watched", execution_id=execution_id)
            time.sleep(0.5 if some is not ids else 0)
    for execution_id in ids[::10]:
        with suppress(Over), transaction.atomic():
            if actions.set_labels(execution_id, {"late": "yes"}).state.is_terminal:
                raise Over
            time.sleep(0.15)
    connection.close()


@pytest.mark.parametrize("notified", [True, False], ids=["notified", "every notification lost"])
def test_followers_see_everything_in_order_and_the_end_in_time(
    plant: Plant, free_port: int, django_db_blocker: Any, notified: bool
) -> None:
    if not notified:
        plant.connection.execute(LOSE_NOTIFICATIONS)
    plant.define(FLOW)
    plant.executor().wait_until_ready()
    plant.worker("-c", "32").wait_until_ready()
    web = plant.web(free_port)
    threads: list[int] = []

    def disturb(ids: list[str]) -> None:
        start_and_disturb(plant, ids)
        threads.append(psutil.Process(web.pid).num_threads())

    with Nuisances(plant):
        until = time.monotonic() + size(0, 60)  # full size: the transaction stays open for a minute
        while True:
            transcripts = [Transcript(new_id()) for _ in range(FOLLOWERS)]
            ids = [one.id for one in transcripts]
            asyncio.run(follow_all(plant, transcripts, lambda ids=ids: disturb(ids)))  # type: ignore[misc]
            check(plant, transcripts)
            if time.monotonic() >= until:
                break
    assert max(threads) < 10  # however many follow
    assert settled_faults(plant, runs=5) == []


def check(plant: Plant, transcripts: list[Transcript]) -> None:
    assert [fault for one in transcripts for fault in one.faults()] == []
    delays = []
    for one in transcripts:
        stored = plant.get(f"/api/v1/main/executions/{one.id}")
        arrived, _, last = one.events[-1]
        assert last["state"] == stored["state"] and last["labels"] == stored["labels"]
        assert last["taskRunList"] == stored["taskRunList"]
        delays.append(arrived - committed(plant, one.id))
    print(f"{len(delays)} followers: the end seen after {max(delays) * 1000:.0f} ms at the latest")
    assert max(delays) < 1.5, sorted(delays)[-5:]


def committed(plant: Plant, execution_id: str) -> float:
    from executions.ids import to_uuid

    query = "SELECT extract(epoch FROM end_date) FROM executions WHERE id = %s"
    return float(plant.value(query, to_uuid(execution_id)))


def test_an_execution_whose_rows_cannot_be_shown_disturbs_no_other_follower(plant: Plant, free_port: int) -> None:
    from executions.ids import to_uuid

    plant.define(FLOW.replace("PT0.3S", "PT3S"))
    plant.executor().wait_until_ready()
    plant.worker().wait_until_ready()
    plant.web(free_port)
    bad, good = (Transcript(id_) for id_ in plant.trigger("watched", 2))

    def spoil() -> None:
        eventually(lambda: good.events and bad.events, 10, "the first events")
        plant.connection.execute(
            "UPDATE executions SET histories = '[[\"CREATED\"]]', version = version + 1 WHERE id = %s",
            [to_uuid(bad.id)],
        )

    async def follow() -> None:
        lost = asyncio.create_task(bad.follow(free_port))
        await asyncio.wait_for(asyncio.gather(good.follow(free_port), asyncio.to_thread(spoil)), 30)
        lost.cancel()

    asyncio.run(follow())
    assert good.faults() == []
    assert good.events[-1][0] - committed(plant, good.id) < 1.5
