"""What operators do to the queues by hand: remove old messages, drive dead letters again, drop them."""

from collections.abc import Iterable

import psycopg
from django.conf import settings
from django.db import transaction

from executions import bell, database
from executions.models import DeadLetter, ServiceInstance
from executions.queue import cleaning
from executions.queue import postgres as queue


def _rules(type_name: str | None) -> list[cleaning.Rule]:
    celesta = settings.CELESTA
    return cleaning.rules(celesta.queues_retention, celesta.queues_retention_high_cardinality, only=type_name)


def cleanable(type_name: str | None = None) -> dict[str, int]:
    """How many messages of each type are past their retention."""
    return cleaning.count(database.current(), _rules(type_name))


def clean(type_name: str | None = None) -> int:
    """Remove them, in batches, each a transaction of its own. Messages that wait to be handled are never touched."""
    with psycopg.connect(settings.DATABASE_DIRECT_DSN, autocommit=True) as connection:
        return sum(cleaning.clean(connection, _rules(type_name)))


def drain(worker_id: str, wanted: bool) -> bool:
    """Ask a worker to take no more work (what it runs goes on), or to take some again. False when there is none such.

    It obeys at its next heartbeat, within two seconds."""
    with transaction.atomic():
        worker = ServiceInstance.objects.select_for_update().filter(pk=worker_id, kind="worker").first()
        if worker is None:
            return False
        ServiceInstance.objects.filter(pk=worker_id).update(facts={**worker.facts, "drain": wanted})
    return True


def redrive(letter_ids: Iterable[int]) -> int:
    """Publish dead letters once more; those whose execution is gone stay. Returns how many went."""
    wanted = list(letter_ids)
    with transaction.atomic():
        before = DeadLetter.objects.filter(pk__in=wanted).count()
        queue.redrive(database.current(), wanted)
        bell.ring(queue.WORK)
        return before - DeadLetter.objects.filter(pk__in=wanted).count()


def drop(letter_ids: Iterable[int]) -> int:
    dropped, _ = DeadLetter.objects.filter(pk__in=list(letter_ids)).delete()
    return dropped
