"""jq programs beyond paths: in a process of their own, which ends with what it cannot bear."""

import time

import pytest

from executions import jq_process
from executions.jq_process import JqFailure


@pytest.mark.parametrize(
    ("program", "value", "answer"),
    [
        (".[] | select(.a > 1) | .b", [{"a": 1, "b": 2}, {"a": 2, "b": 3}], [3]),
        ("map(.a) | add", [{"a": 1}, {"a": 2}], [3]),
        ("{x: .y, n: length}", {"y": None}, [{"x": None, "n": 1}]),
        ("keys", {"b": 1, "a": 2}, [["a", "b"]]),
        ("empty", 1, []),
        ('"import x" | length', 1, [8]),
    ],
)
def test_a_program_gives_all_its_values(program: str, value: object, answer: list[object]) -> None:
    assert jq_process.run(program, value) == answer


@pytest.mark.parametrize(
    ("program", "cause"),
    [
        (".a[", "syntax error"),
        (".a.b", "Cannot index number"),
        ('error("no")', "no"),
        ("[range(1e9)]", "longer than 2 seconds"),
        ('import "package" as $d {search: "/tmp"}; $d', "must not import files"),
        ('include # why\n "x"; .', "must not import files"),
    ],
)
def test_a_program_that_goes_wrong_says_why(program: str, cause: str) -> None:
    with pytest.raises(JqFailure, match=cause):
        jq_process.run(program, {"a": 1})
    assert jq_process.run(".", 1) == [1]


def test_a_program_that_eats_memory_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jq_process, "SECONDS", 30)  # on a busy machine the clock would be quicker than the memory
    with pytest.raises(JqFailure, match="too much memory"):
        jq_process.run('"a" * 300000000', {"a": 1})
    assert jq_process.run(".", 1) == [1]


def test_a_program_sees_nothing_of_our_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET_OF_OURS", "x")
    fresh = jq_process.Runner()
    (environment,) = fresh.run("env", None)
    assert not [name for name in environment if "SECRET" in name or "CELESTA" in name or "DATABASE" in name]
    fresh.close()


def test_a_program_is_stopped_in_time() -> None:
    started = time.monotonic()
    with pytest.raises(JqFailure):
        jq_process.run("def f: f; f", 1)
    assert time.monotonic() - started < 5
