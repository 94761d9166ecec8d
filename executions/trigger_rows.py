"""Keeps a row for every trigger of every live flow, in the transaction that saves the flow."""

from typing import Any

from django.db.models.signals import post_save
from django.dispatch import receiver

from executions import database, triggering
from flows import catalog
from flows.models import FlowRecord


@receiver(post_save, sender=FlowRecord)
def follow(instance: FlowRecord, raw: bool = False, **_: Any) -> None:
    """Rows hold what happened to a trigger and whether it was switched off by hand; the flow says what it is."""
    if raw or not instance.latest:
        return
    triggers = [] if instance.deleted else [trigger.id for trigger in catalog.parsed(instance).triggers]
    triggering.follow_flow(database.current(), instance.namespace, instance.flow_id, triggers)
