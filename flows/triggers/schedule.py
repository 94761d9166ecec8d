"""Triggers by the clock. The scheduler computes their dates; here is what may be written."""

from datetime import UTC, datetime
from typing import Any, Literal, Self

from cronsim import CronSim, CronSimError
from pydantic import field_validator, model_validator

from flows.definition.durations import Duration
from flows.triggers.base import AnyCondition, Trigger
from flows.triggers.dates import read_zone

NICKNAMES = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}
_ANY_DAY = datetime(2024, 1, 1, tzinfo=UTC)

Recovery = Literal["ALL", "LAST", "NONE"]


def _zone(name: str | None) -> str | None:
    if name is not None:
        read_zone(name)
    return name


class Schedule(Trigger):
    cron: str
    with_seconds: bool = False
    timezone: str | None = None
    interval: Duration | None = None
    schedule_conditions: tuple[AnyCondition, ...] = ()
    late_maximum_delay: Duration | None = None
    execution_time: Any = None
    backfill: dict[str, Any] | None = None
    recover_missed_schedules: Recovery | None = None

    _check_zone = field_validator("timezone")(_zone)

    @property
    def expression(self) -> str:
        """The cron expression, nicknames spelled out."""
        return NICKNAMES.get(self.cron.strip(), self.cron.strip())

    @model_validator(mode="after")
    def _is_readable(self) -> Self:
        fields = len(self.expression.split())
        wanted = 6 if self.with_seconds else 5
        if fields != wanted:
            raise ValueError(f"invalid cron expression '{self.cron}': expected {wanted} fields but found {fields}")
        try:
            CronSim(self.expression, _ANY_DAY)
        except (CronSimError, ValueError) as error:
            raise ValueError(f"invalid cron expression '{self.cron}': {error}") from None
        return self


class ScheduleOnDates(Trigger):
    """`dates` is a list, or a template of one."""

    dates: list[Any] | str
    timezone: str | None = None
    interval: Duration | None = None
    recover_missed_schedules: Recovery | None = None

    _check_zone = field_validator("timezone")(_zone)
