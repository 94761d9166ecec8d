"""What expressions may ask while the engine evaluates them. Does no I/O: what needs some is raised as a question."""

import random
from datetime import datetime

from django.conf import settings

from executions.codec import dumps
from executions.expressions import revealed, site_variables
from flows.expressions.errors import Call, NeedsResolve
from flows.expressions.frame import Random

_RANDOM = random.SystemRandom()


class EngineServices:
    """Implements flows.expressions Services for one call of `advance`, which knows the answers given so far."""

    __slots__ = ("_now", "variables")

    def __init__(self, now: datetime) -> None:
        self._now = now
        self.variables = site_variables()

    def now(self) -> datetime:
        return self._now

    def timezone(self) -> str:
        return str(settings.TIME_ZONE)

    def random(self) -> Random:
        return _RANDOM

    def reveal(self, value: object) -> object:
        return revealed(value)

    def call(self, name: str, arguments: dict[str, object]) -> object:
        raise NeedsResolve(Call(name, dumps(arguments)))
