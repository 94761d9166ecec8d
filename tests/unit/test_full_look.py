"""A look at the whole table: once a second, and never for most of the time."""

import pytest

from executor import full_look
from executor.full_look import FullLook


class Time:
    def __init__(self) -> None:
        self.now = 100.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Time:
    clock = Time()
    monkeypatch.setattr(full_look, "time", clock)
    return clock


def look(full: FullLook, clock: Time, seconds: float) -> float:
    """How long until the next one."""
    with full:
        clock.now += seconds
    return full.seconds_left()


def test_the_first_is_due_at_once_and_the_next_after_a_second(clock: Time) -> None:
    full = FullLook()
    assert full.is_due()
    assert look(full, clock, 0.001) == pytest.approx(1.0)
    assert not full.is_due()
    clock.now += 1.0
    assert full.is_due()


def test_an_expensive_one_comes_more_seldom_but_it_comes(clock: Time) -> None:
    full = FullLook()
    look(full, clock, 0.2)
    assert look(full, clock, 0.2) == pytest.approx(4.0)
    look(full, clock, 60.0)
    assert look(full, clock, 60.0) == pytest.approx(60.0)


def test_one_that_was_held_up_says_nothing_of_the_next(clock: Time) -> None:
    full = FullLook()
    assert look(full, clock, 5.0) == pytest.approx(1.0)
    assert look(full, clock, 0.001) == pytest.approx(1.0)
    assert look(full, clock, 5.0) == pytest.approx(1.0)


def test_one_that_fails_is_not_repeated_at_once_unless_asked_for(clock: Time) -> None:
    full = FullLook()
    with pytest.raises(ConnectionError), full:
        raise ConnectionError
    assert not full.is_due()
    full.ask()
    assert full.is_due()
