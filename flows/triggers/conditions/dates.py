"""Conditions on a date, by default the trigger's."""

from typing import Annotated, Literal

from pydantic import AfterValidator

from flows.triggers.base import Condition, Facts
from flows.triggers.dates import is_in_week_of_month, read_datetime, read_time

Day = Literal["MONDAY", "TUESDAY", "WEDNESDAY", "THURSDAY", "FRIDAY", "SATURDAY", "SUNDAY"]
_DAYS = ("MONDAY", "TUESDAY", "WEDNESDAY", "THURSDAY", "FRIDAY", "SATURDAY", "SUNDAY")


def _is_datetime(text: str | None) -> str | None:
    if text is not None:
        read_datetime(text)
    return text


def _is_time(text: str | None) -> str | None:
    if text is not None:
        read_time(text)
    return text


class _OnDate(Condition):
    date: str = "{{ trigger.date }}"


class DateTimeBetween(_OnDate):
    """Strictly between."""

    after: Annotated[str | None, AfterValidator(_is_datetime)] = None
    before: Annotated[str | None, AfterValidator(_is_datetime)] = None

    def holds(self, facts: Facts) -> bool:
        moment = read_datetime(facts.render(self.date))
        if self.after is not None and moment <= read_datetime(self.after):
            return False
        return self.before is None or moment < read_datetime(self.before)


class TimeBetween(_OnDate):
    """Strictly between, on the clock of the date's own offset."""

    after: Annotated[str | None, AfterValidator(_is_time)] = None
    before: Annotated[str | None, AfterValidator(_is_time)] = None

    def holds(self, facts: Facts) -> bool:
        moment = read_datetime(facts.render(self.date)).timetz()
        if self.after is not None and moment <= read_time(self.after):
            return False
        return self.before is None or moment < read_time(self.before)


class DayWeek(_OnDate):
    day_of_week: Day

    def holds(self, facts: Facts) -> bool:
        return _DAYS[read_datetime(facts.render(self.date)).weekday()] == self.day_of_week


class DayWeekInMonth(_OnDate):
    day_of_week: Day
    day_in_month: Literal["FIRST", "SECOND", "THIRD", "FOURTH", "LAST"]

    def holds(self, facts: Facts) -> bool:
        day = read_datetime(facts.render(self.date)).date()
        return _DAYS[day.weekday()] == self.day_of_week and is_in_week_of_month(day, self.day_in_month)


class Weekend(_OnDate):
    def holds(self, facts: Facts) -> bool:
        return read_datetime(facts.render(self.date)).weekday() >= 5


class PublicHoliday(_OnDate):
    """`country` is an ISO code (default US), `sub_division` one of its parts."""

    country: str | None = None
    sub_division: str | None = None

    def holds(self, facts: Facts) -> bool:
        import holidays  # large, and rarely asked for

        day = read_datetime(facts.render(self.date)).date()
        country = facts.render(self.country) if self.country else "US"
        part = facts.render(self.sub_division) if self.sub_division else None
        return day in holidays.country_holidays(country.upper(), subdiv=part, years=day.year)
