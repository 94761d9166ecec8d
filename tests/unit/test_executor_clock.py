"""The executors' common clock: a real difference is followed, a slow answer is not taken for one."""

import time
from datetime import UTC, datetime
from typing import Any

import pytest

from executor.clock import Clock


class Server:
    """Answers with its own time, after a while."""

    def __init__(self, ahead: float, before: float = 0.0, after: float = 0.0) -> None:
        self.ahead, self.before, self.after = ahead, before, after

    def execute(self, query: str) -> "Server":
        return self

    def fetchone(self) -> tuple[float]:
        time.sleep(self.before)
        answer = time.time() + self.ahead
        time.sleep(self.after)
        return (answer,)


def lead_of(clock: Clock) -> float:
    return (clock.now() - datetime.now(UTC)).total_seconds()


@pytest.mark.parametrize(
    ("server", "lead"),
    [(Server(0.0), 0.0), (Server(5.0), 5.0), (Server(-3.0, before=0.1), -3.0), (Server(0.0, after=0.3), 0.0)],
)
def test_the_clock_follows_a_real_difference_only(server: Any, lead: float) -> None:
    clock = Clock()
    clock.adjust(server)
    assert lead_of(clock) == pytest.approx(lead, abs=0.1)


def test_a_slow_answer_leaves_what_is_known() -> None:
    clock = Clock()
    clock.adjust(Server(5.0))  # type: ignore[arg-type]
    clock.adjust(Server(5.0, after=0.2))  # type: ignore[arg-type]
    assert lead_of(clock) == pytest.approx(5.0, abs=0.15)
