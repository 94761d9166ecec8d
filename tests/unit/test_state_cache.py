"""What an executor remembers has its bounds, by number and by weight."""

from typing import Any

from executor.cache import StateCache
from tests.builders import an_execution


def test_executions_with_large_inputs_do_not_fill_the_memory() -> None:
    cache = StateCache()
    for number in range(300):
        cache.put(an_execution(inputs={"text": "x" * 1_000_000, "number": number}))
    assert 100 <= len(cache) <= 200


def test_the_last_one_stays_however_heavy_it_is() -> None:
    cache = StateCache(max_weight=10)
    heavy = an_execution(inputs={"text": "x" * 1_000_000})
    cache.put(heavy)
    assert cache.take(heavy.id) is heavy
    assert len(cache) == 0


def test_the_oldest_leave_first() -> None:
    cache = StateCache(max_executions=2)
    one, two, three = (an_execution() for _ in range(3))
    for execution in (one, two, three):
        cache.put(execution)
    assert (cache.take(one.id), cache.take(two.id), cache.take(three.id)) == (None, two, three)


class Counted(dict[str, Any]):
    """Tells how often it was walked through."""

    walks = 0

    def items(self) -> Any:
        self.walks += 1
        return super().items()


def test_what_was_given_at_the_start_is_weighed_once_however_many_steps_there_are() -> None:
    cache, inputs = StateCache(), Counted(document="x" * 100)
    execution = an_execution(inputs=inputs)
    for _ in range(3):
        cache.put(execution)
        assert cache.take(execution.id) is execution
    assert inputs.walks == 1
