"""What expressions ask of the outside while a worker (or the executor) renders them: clock, chance, secrets, files."""

import random
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Protocol

from django.conf import settings

from flows.expressions.errors import ExpressionError
from flows.expressions.frame import Random

Json = Any
_RANDOM = random.SystemRandom()


class Place(Protocol):
    """Whose expression it is."""

    execution_id: str
    namespace: str
    flow_id: str


class ExpressionServices:
    """Implements flows.expressions Services."""

    def __init__(self, tools: Any, place: Place) -> None:
        self._tools, self._place = tools, place

    def now(self) -> datetime:
        return datetime.now(UTC)

    def timezone(self) -> str:
        return time.tzname[0] if time.tzname else "UTC"

    def random(self) -> Random:
        return _RANDOM

    def call(self, name: str, arguments: dict[str, object]) -> object:
        answer: Callable[..., object] | None = getattr(self, f"_{name}", None)
        if answer is None:
            raise ExpressionError(f"The function '{name}' is not available in a task.")
        return answer(**arguments)

    def _secret(self, key: str, namespace: str | None = None, subkey: str | None = None) -> str:
        value = settings.CELESTA.secret(key)
        if value is None:
            raise ExpressionError(f"Cannot find secret for key '{key}'.")
        return str(value)
