"""How brokers other than PostgreSQL are told of jobs: grouped, without data, without holding up who tells."""

import json

from celery import Celery

from executions.queue.postgres import Job
from executor.ringing import MOST_WAITING, SHARED, Ringer, messages
from tests.plant import eventually


def job(number: int, queue: str = "default", light: bool = True) -> Job:
    return Job(number, queue, f"token{number}", light)


def test_light_jobs_of_a_queue_share_messages_and_all_others_travel_alone() -> None:
    jobs = [job(number) for number in range(SHARED + 1)] + [
        job(100, light=False),
        job(101, "gpu"),
        job(102, light=False),
    ]
    sent = list(messages(jobs))
    assert sorted(named for _, group in sent for named in group) == sorted((one.id, one.token) for one in jobs)
    assert [(queue, len(group)) for queue, group in sent] == [
        ("default", 1), ("default", 1), ("default", SHARED), ("default", 1), ("gpu", 1),
    ]  # fmt: skip


def test_a_message_carries_ids_and_tokens_and_names_the_one_task() -> None:
    app = Celery("test", broker="memory://", fixups=[])
    ringer = Ringer(app)
    ringer.start()
    ringer([job(7)])
    with app.connection_for_read() as connection:
        queue = connection.SimpleQueue("default")
        message = eventually(lambda: queue.get(block=True, timeout=1), 10, "the message")
        assert message.headers["task"] == "celesta.run"
        assert json.loads(message.body)[0] == [[[7, "token7"]]]
        queue.close()
    ringer.stop()
    assert not ringer.thread.is_alive()


def test_who_rings_never_waits_for_a_broker_that_is_away() -> None:
    ringer = Ringer(Celery("test", broker="redis://127.0.0.1:1/0", fixups=[]))  # its thread was not even started
    for number in range(MOST_WAITING + 10):
        ringer([job(number)])
