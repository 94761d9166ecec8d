"""The kombu transport over `worker_jobs`. Claiming is delivery, deleting the job with its result is the
acknowledgement: there is nothing to emulate. Knows nothing of what a job does."""

import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import Any, ClassVar

from kombu.message import Message
from kombu.transport import base

from executor.worker import process
from executor.worker.slots import Held

TASK = "celesta.run"
# Light jobs share a message: the cost of a message outweighs them.
SHARED = 25


class PublishingRefused(Exception):
    """Jobs come into being as rows of `worker_jobs`, in the transaction that decides on them."""


class Channel(base.StdChannel):
    """One consumer of some queues. Declarations mean nothing here: a queue is a value in a column."""

    def __init__(self, transport: "Transport") -> None:
        self.connection = transport
        self.consumers: dict[str, tuple[str, Callable[[Message], Any]]] = {}
        self.no_ack_consumers: set[str] = set()
        self._tags = itertools.count(1)
        self._unanswered: dict[str, Sequence[Held]] = {}

    def basic_consume(
        self, queue: str, no_ack: bool, callback: Callable[[Message], Any], consumer_tag: str, **_: Any
    ) -> None:
        self.consumers[consumer_tag] = (queue, callback)

    def basic_cancel(self, consumer_tag: str) -> None:
        self.consumers.pop(consumer_tag, None)
        process.current().drain()

    def basic_ack(self, delivery_tag: str, multiple: bool = False) -> None:
        process.current().message_done(self._unanswered.pop(delivery_tag, ()))

    def basic_reject(self, delivery_tag: str, requeue: bool = False) -> None:
        process.current().message_refused(self._unanswered.pop(delivery_tag, ()))

    def basic_qos(self, *_: Any, **__: Any) -> None:
        """The runway (slots.py) decides how much is taken."""

    def basic_recover(self, requeue: bool = True) -> None:
        """Nothing to recover: the sweeper releases what a dead worker held."""

    def basic_publish(self, *_: Any, **__: Any) -> None:
        raise PublishingRefused("over PostgreSQL only the executor hands out jobs; set CELERY_BROKER_URL to send tasks")

    def prepare_message(self, body: Any, *_: Any, **__: Any) -> Any:
        return body

    def _declared(self, *_: Any, **__: Any) -> None:
        """A queue or exchange needs no declaration."""

    exchange_declare = queue_declare = queue_bind = queue_unbind = exchange_bind = _declared
    exchange_delete = queue_delete = queue_purge = _declared

    def message_to_python(self, message: Message) -> Message:
        return message

    def close(self) -> None:
        self.consumers.clear()
        self.connection.channels.discard(self)

    def deliver(self, jobs: Sequence[Held]) -> None:
        callback = next(iter(self.consumers.values()))[1]
        for group in grouped(jobs):
            callback(self._message(group))

    def _message(self, jobs: Sequence[Held]) -> Message:
        tag = str(next(self._tags))
        self._unanswered[tag] = jobs
        name = f"jobs-{jobs[0].id}-{jobs[0].claim}"
        return Message(
            body=process.current().message_body(jobs),
            delivery_tag=tag,
            content_type="application/json",
            content_encoding="utf-8",
            headers={"task": TASK, "id": name, "root_id": name, "lang": "py", "ignore_result": True,
                     "argsrepr": "", "kwargsrepr": "", "timelimit": (None, None), "retries": 0},
            properties={"correlation_id": name, "delivery_mode": 1},
            delivery_info={"routing_key": "", "exchange": "", "redelivered": False},
            channel=self,
        )  # fmt: skip


def grouped(jobs: Sequence[Held]) -> Iterator[list[Held]]:
    """Light jobs in groups spread over the threads, all others alone."""
    light = [job for job in jobs if job.light]
    size = max(1, min(SHARED, -(-len(light) // process.current().slots.threads)))
    for start in range(0, len(light), size):
        group = light[start : start + size]
        for job in group:
            job.leader = group[0].id
        yield group
    for job in jobs:
        if not job.light:
            yield [job]


class Transport(base.Transport):
    """Never raises for a lost database: the feed waits for it and goes on."""

    Channel = Channel
    driver_type, driver_name = "celesta", "psycopg"
    default_port = 5432
    connection_errors: ClassVar[tuple[type[Exception], ...]] = (ConnectionError,)
    channel_errors: ClassVar[tuple[type[Exception], ...]] = ()

    def __init__(self, client: Any, **_: Any) -> None:
        super().__init__(client)
        self.channels: set[Channel] = set()

    def establish_connection(self) -> "Transport":
        return self

    def close_connection(self, connection: "Transport") -> None:
        for channel in list(self.channels):
            channel.close()

    def create_channel(self, connection: "Transport") -> Any:
        channel = Channel(self)
        self.channels.add(channel)
        return channel

    def close_channel(self, channel: Any) -> None:
        channel.close()

    def drain_events(self, connection: "Transport", timeout: float | None = None, **_: Any) -> None:
        """Raises socket.timeout when nothing came, as kombu's callers expect."""
        consuming = [channel for channel in self.channels if channel.consumers]
        queues = [queue for channel in consuming for queue, _ in channel.consumers.values()]
        jobs = process.current().feed.next_jobs(queues, 1.0 if timeout is None else timeout) if queues else []
        if not jobs:
            raise TimeoutError
        consuming[0].deliver(jobs)

    def as_uri(self, uri: str, include_password: bool = False, mask: str = "**") -> str:
        return "celesta://"
