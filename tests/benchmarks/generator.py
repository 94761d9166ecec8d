"""The open-loop load generator, a process of its own: execution i is due at t0 + i / rate, whatever happened before.

Reads one job as JSON from stdin, writes [[number, execution id, due, answered], ...] as JSON to stdout.
`due` and `answered` are seconds since the epoch.
"""

import asyncio
import gc
import json
import sys
import time
from collections.abc import Callable
from typing import Any

import orjson

from tests.benchmarks.documents import order

LEAD = 0.3  # seconds from the start of the process's work to the first due time
BOUNDARY = "celesta-bench"
Row = tuple[int, str, float, float]


def main() -> None:
    job = json.loads(sys.stdin.read())
    bodies = [order(job["first"] + number, job["kilobytes"]) for number in range(job["count"])]
    gc.freeze()
    rows = asyncio.run(_over_rest(job, bodies)) if job["by"] == "rest" else _from_python(job, bodies)
    json.dump(rows, sys.stdout)


# --- over REST: one request per execution, over as many keep-alive connections as are needed


async def _over_rest(job: dict[str, Any], bodies: list[Any]) -> list[Row]:
    client = _Client(job)
    requests = [client.request(body) for body in bodies]
    await asyncio.gather(*(client.open() for _ in range(8)))
    begin, interval = time.time() + LEAD, 1 / job["rate"]
    waiting = []
    for number, request in enumerate(requests):
        due = begin + number * interval
        if (pause := due - time.time()) > 0:
            await asyncio.sleep(pause)
        waiting.append(asyncio.create_task(_one(client, job["first"] + number, request, due)))
    return list(await asyncio.gather(*waiting))


async def _one(client: "_Client", number: int, request: bytes, due: float) -> Row:
    answer = orjson.loads(await client.send(request))
    return number, answer["id"], due, time.time()


class _Client:
    """HTTP/1.1 with keep-alive and content-length, nothing more: the generator must be cheap."""

    def __init__(self, job: dict[str, Any]) -> None:
        self._port = job["port"]
        self._free: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []
        self._head = (
            f"POST /api/v1/main/executions/{job['namespace']}/{job['flow']} HTTP/1.1\r\nHost: 127.0.0.1:{self._port}\r\n"
            f"Authorization: {job['authorization']}\r\nContent-Type: multipart/form-data; boundary={BOUNDARY}\r\n"
        )

    def request(self, document: Any) -> bytes:
        part = orjson.dumps(document)
        head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="order"\r\n\r\n'.encode()
        body = head + part + f"\r\n--{BOUNDARY}--\r\n".encode()
        return f"{self._head}Content-Length: {len(body)}\r\n\r\n".encode() + body

    async def open(self) -> None:
        self._free.append(await asyncio.open_connection("127.0.0.1", self._port, limit=2**22))

    async def send(self, request: bytes) -> bytes:
        if not self._free:
            await self.open()
        connection = self._free.pop()
        reader, writer = connection
        writer.write(request)
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0])
        body = await reader.readexactly(length)
        if b" 200 " not in head.partition(b"\r\n")[0]:
            raise RuntimeError(body.decode(errors="replace")[:500])
        self._free.append(connection)
        return body


# --- from Python: whatever is due is created by one call


def _from_python(job: dict[str, Any], bodies: list[Any]) -> list[Row]:
    create = _creator(job["namespace"], job["flow"])
    create([])
    rows: list[Row] = []
    begin, interval = time.time() + LEAD, 1 / job["rate"] if job["rate"] else 0.0
    done = 0
    while done < len(bodies):
        if (pause := begin + done * interval - time.time()) > 0:
            time.sleep(pause)
        ready = int((time.time() - begin) / interval) + 1 if interval else len(bodies)
        batch = range(done, min(max(ready, done + 1), len(bodies), done + job["batch"]))
        ids = create([bodies[number] for number in batch])
        answered = time.time()
        first = job["first"]
        rows += [(first + n, id_, begin + n * interval, answered) for n, id_ in zip(batch, ids, strict=True)]
        done = batch.stop
    return rows


def _creator(namespace: str, flow_id: str) -> Callable[[list[Any]], list[str]]:
    import os

    os.environ["DJANGO_SETTINGS_MODULE"] = "orchestrator_site.settings"
    import django

    django.setup()
    from executions import actions

    def create(documents: list[Any]) -> list[str]:
        wanted = [{"order": document} for document in documents]
        return [execution.id for execution in actions.trigger_many(namespace, flow_id, wanted)]

    return create


if __name__ == "__main__":
    main()
