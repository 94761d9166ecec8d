"""Durations as Java reads and writes them."""

from datetime import timedelta

import pytest

from flows.definition.durations import format_duration, parse_duration


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("PT15M", 900),
        ("P1DT2H", 93_600),
        ("PT0.5S", 0.5),
        ("PT0.0001S", 0.0001),
        ("-PT1S", -1),
        ("PT-1S", -1),
        ("pt1h", 3600),
        ("PT1.S", 1),
    ],
)
def test_iso_durations_are_read(text: str, seconds: float) -> None:
    assert parse_duration(text).total_seconds() == seconds


@pytest.mark.parametrize("text", ["", "P", "PT", "P1Y", "P1M", "P1W", "1H", "PT1H ago", "P1DT", "PT99999999999999H"])
def test_what_java_refuses_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        parse_duration(text)


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "PT0S"), (900, "PT15M"), (93_600, "PT26H"), (0.5, "PT0.5S"), (-61, "PT-1M-1S")]
)
def test_durations_are_written_as_java_does(seconds: float, text: str) -> None:
    assert format_duration(timedelta(seconds=seconds)) == text
    assert parse_duration(text) == timedelta(seconds=seconds)
