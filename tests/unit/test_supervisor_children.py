"""A supervised child: output passed on, deaths counted, and it ends when told, willing or not."""

import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from orchestrator_site import children
from orchestrator_site.children import DEATHS_LIMIT, Child


class Shown(list[tuple[str, str]]):
    def __call__(self, name: str, line: str) -> None:
        self.append((name, line))


def eventually(question: Callable[[], bool], seconds: float = 10) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if question():
            return True
        time.sleep(0.01)
    return False


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], Child]]:
    """Makes a child that runs this Python text in place of the project's command line."""
    made: list[Child] = []
    monkeypatch.setattr(children, "ROOT", tmp_path)

    def make(text: str) -> Child:
        (tmp_path / "manage.py").write_text(text)
        made.append(Child("part", "run", Shown(), stop_seconds=0.5))
        return made[-1]

    yield make
    for child in made:
        child.stop(is_urgent=lambda: True)


def test_each_line_is_shown_under_its_name(program: Callable[[str], Child]) -> None:
    child = program("import sys; print('out'); print('err', file=sys.stderr); print(sys.argv[1:])")
    child.start()
    assert eventually(child.has_died)
    assert eventually(lambda: len(child.show) == 3)  # type: ignore[arg-type]
    assert set(child.show) == {("part", "out"), ("part", "err"), ("part", "['run']")}  # type: ignore[call-overload]


def test_a_death_is_told_once_and_the_pause_grows(program: Callable[[str], Child]) -> None:
    child = program("raise SystemExit(3)")
    pauses = []
    for number in range(1, DEATHS_LIMIT + 1):
        child.start()
        assert eventually(child.has_died)
        assert not child.has_died() and child.deaths == number
        assert child.how_it_ended() == "exit code 3"
        assert child.start_again_at is not None
        pauses.append(child.start_again_at - time.monotonic())
        assert child.is_lost() == (number == DEATHS_LIMIT)
    assert pauses == sorted(pauses) and pauses[-1] > 4 * pauses[0]


def test_a_child_that_lived_long_starts_its_count_anew(
    program: Callable[[str], Child], monkeypatch: pytest.MonkeyPatch
) -> None:
    child = program("raise SystemExit(1)")
    child.deaths = DEATHS_LIMIT - 1
    monkeypatch.setattr(children, "STABLE_SECONDS", -1.0)
    child.start()
    assert eventually(child.has_died)
    assert child.deaths == 1 and not child.is_lost()


def test_a_killing_signal_is_named(program: Callable[[str], Child]) -> None:
    child = program("import time; time.sleep(60)")
    child.start()
    assert child.pid is not None
    os.kill(child.pid, signal.SIGSEGV)
    assert eventually(child.has_died)
    assert child.how_it_ended() == "signal SIGSEGV"


def test_a_deaf_child_is_killed_with_all_its_processes(program: Callable[[str], Child], tmp_path: Path) -> None:
    child = program(
        "import os, signal, subprocess, sys, time\n"
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "grandchild = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'])\n"
        "print(grandchild.pid, flush=True)\n"
        "time.sleep(60)\n"
    )
    child.start()
    assert eventually(lambda: bool(child.show))
    grandchild = int(child.show[0][1])  # type: ignore[index]
    child.stop(is_urgent=lambda: False)
    assert eventually(lambda: not Path(f"/proc/{grandchild}/cwd").exists())
    assert ("celesta", "part did not stop in time: killed") in child.show  # type: ignore[operator]


def test_a_stop_that_becomes_urgent_does_not_wait(program: Callable[[str], Child]) -> None:
    child = program("import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(1); time.sleep(60)")
    child.stop_seconds = 60
    child.start()
    assert eventually(lambda: bool(child.show))
    began = time.monotonic()
    child.stop(is_urgent=lambda: True)
    assert time.monotonic() - began < 5


@pytest.mark.skipif(sys.platform != "linux", reason="asks the Linux kernel")
def test_a_process_that_ignores_its_parents_death_is_killed_after_the_grace(tmp_path: Path) -> None:
    import subprocess

    root = Path(__file__).resolve().parent.parent.parent
    inner = (
        "import os, signal, sys, time; from orchestrator_site import parentage\n"
        "signal.signal(signal.SIGTERM, lambda *_: print('asked', flush=True))\n"
        "parentage.GRACE_SECONDS = parentage.LOOK_SECONDS = 0.2\n"
        "parentage.end_with(os.getppid())\n"
        "print(os.getpid(), flush=True)\n"
        "while True: time.sleep(0.1)\n"
    )
    outer = f"import subprocess, sys; subprocess.Popen([sys.executable, '-c', {inner!r}]).wait()"
    parent = subprocess.Popen([sys.executable, "-c", outer], cwd=root, stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    orphan = int(parent.stdout.readline())
    parent.kill()
    assert parent.stdout.readline() == "asked\n"
    assert eventually(lambda: not Path(f"/proc/{orphan}/cwd").exists())
    parent.communicate()
