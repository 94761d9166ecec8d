"""A trigger that asks an address at intervals. The scheduler asks; here is what may be written."""

from datetime import timedelta
from typing import Any

from pydantic import Field

from flows.definition.durations import Duration
from flows.tasks.core.http import Options
from flows.triggers.base import Trigger


class HttpTrigger(Trigger):
    interval: Duration = timedelta(seconds=60)
    response_condition: str = "{{ response.statusCode < 400 }}"
    uri: str
    method: str = "GET"
    body: Any = None
    form_data: Any = None
    params: Any = None
    content_type: str | None = None
    headers: Any = Field(default_factory=dict)
    options: Options = Field(default_factory=Options)
    ssl_options: Any = None
    encrypt_body: Any = False
