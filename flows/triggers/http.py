"""A trigger that asks an address at intervals. The scheduler asks; here is what may be written."""

from datetime import timedelta
from typing import Any

from flows.definition.durations import Duration
from flows.tasks.core.http import Call
from flows.triggers.base import Trigger


class HttpTrigger(Call, Trigger):
    interval: Duration = timedelta(seconds=60)
    response_condition: str = "{{ response.statusCode < 400 }}"
    encrypt_body: Any = False
