"""What is kept of triggers besides their text: disabled, when they last fired, backfills. Changes of these rows."""

from collections.abc import Sequence
from dataclasses import dataclass

from django.db import transaction
from django.utils import timezone

from executions.models import TriggerRecord, TriggerWindow


@dataclass(frozen=True, slots=True)
class Key:
    namespace: str
    flow_id: str
    trigger_id: str


class TriggerConflict(Exception):
    http_status = 409


def set_disabled(keys: Sequence[Key], disabled: bool) -> int:
    """Holds beside the flow's own text: a trigger fires only when neither says disabled."""
    with transaction.atomic():
        for key in _ordered(keys):
            TriggerRecord.objects.update_or_create(
                namespace=key.namespace,
                flow_id=key.flow_id,
                trigger_id=key.trigger_id,
                defaults={"disabled": disabled},
            )
    return len(keys)


def unlock(keys: Sequence[Key]) -> int:
    """Forget the execution that a trigger waits for. Answers how many waited for one."""
    return _update(keys, needs="execution_id__isnull", value=False, execution_id=None)


def restart(key: Key) -> None:
    """As new: no cursor, no window of conditions, nothing waited for."""
    windows = TriggerWindow.objects.filter(namespace=key.namespace, flow_id=key.flow_id, trigger_id=key.trigger_id)
    windows.delete()
    _update([key], execution_id=None, state={}, next_date=None)


def delete(keys: Sequence[Key]) -> int:
    return sum(_row(key).delete()[0] for key in _ordered(keys))


def set_backfill_paused(keys: Sequence[Key], paused: bool) -> int:
    """Raises TriggerConflict for a trigger that has no backfill."""
    with transaction.atomic():
        for key in _ordered(keys):
            row = _row(key).select_for_update().first()
            if row is None or row.backfill is None:
                raise TriggerConflict(f"Illegal state: trigger {key.trigger_id} of {key.flow_id} has no backfill")
            row.backfill = {**row.backfill, "paused": paused}
            row.save(update_fields=["backfill", "updated"])
    return len(keys)


def delete_backfill(keys: Sequence[Key]) -> int:
    """The schedule goes on where it was before."""
    return _update(keys, needs="backfill__isnull", value=False, backfill=None)


def _update(keys: Sequence[Key], *, needs: str | None = None, value: object = None, **changes: object) -> int:
    done = 0
    with transaction.atomic():
        for key in _ordered(keys):
            rows = _row(key)
            if needs is not None:
                rows = rows.filter(**{needs: value})
            done += rows.update(**changes, updated=timezone.now())
    return done


def _row(key: Key):  # type: ignore[no-untyped-def]
    return TriggerRecord.objects.filter(namespace=key.namespace, flow_id=key.flow_id, trigger_id=key.trigger_id)


def _ordered(keys: Sequence[Key]) -> list[Key]:
    """One order for everybody: no deadlock."""
    return sorted(set(keys), key=lambda key: (key.namespace, key.flow_id, key.trigger_id))
