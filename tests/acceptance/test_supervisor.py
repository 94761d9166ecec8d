"""`manage.py up` as a user meets it: first start, second start, crashes, Ctrl-C, kill -9, wrong set-ups."""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from base64 import b64encode
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import psutil
import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class Product:
    """One `manage.py up` and what it printed."""

    def __init__(self, home: Path, port: int, **variables: str) -> None:
        self.home, self.port = home, port
        self.environment = {**os.environ, "CELESTA_HOME": str(home), "CELESTA_PORT": str(port), **variables}
        self.log = home.parent / f"{home.name}.log"
        with open(self.log, "w") as output:
            command = [sys.executable, "manage.py", "up"]
            self.process = subprocess.Popen(
                command, cwd=ROOT, env=self.environment, stdout=output, stderr=subprocess.STDOUT
            )

    def said(self) -> str:
        return self.log.read_text()

    def wait_until_ready(self, seconds: float = 90) -> "Product":
        assert eventually(lambda: "ready: http" in self.said() or self.process.poll() is not None, seconds), self.said()
        assert self.process.poll() is None, self.said()
        return self

    def children(self) -> dict[str, psutil.Process]:
        """By the management command they run."""
        found = {}
        for child in psutil.Process(self.process.pid).children():
            with suppress(psutil.Error):
                found[child.cmdline()[2]] = child
        return found

    def all_processes(self) -> list[psutil.Process]:
        """Everything that works for this home: descendants, and what has the home on its command line."""
        found = []
        for process in psutil.process_iter():
            with suppress(psutil.Error):
                if self.process.pid in (process.pid, *(parent.pid for parent in process.parents())) or any(
                    str(self.home) in word for word in process.cmdline()
                ):
                    found.append(process)
        return found

    def status(self, path: str) -> int:
        try:
            with OPENER.open(f"http://127.0.0.1:{self.port}{path}", timeout=5) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as error:
            return error.code
        except OSError:
            return 0

    def api(self, method: str, path: str, body: bytes = b"", content: str = "application/x-yaml") -> Any:
        """With the password that the test gave."""
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}/api/v1/main{path}", body or None, method=method)
        request.add_header("Content-Type", content)
        request.add_header("Authorization", "Basic " + b64encode(b"admin:pw").decode())
        with OPENER.open(request, timeout=60) as answer:
            return json.loads(answer.read() or b"null")

    def stop(self, number: int = signal.SIGTERM) -> int:
        self.process.send_signal(number)
        return self.process.wait(60)


def eventually(question: Callable[[], bool], seconds: float = 30) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if question():
            return True
        time.sleep(0.05)
    return False


def gone(processes: list[psutil.Process]) -> bool:
    return not any(process.is_running() and process.status() != psutil.STATUS_ZOMBIE for process in processes)


@pytest.fixture
def start(free_port: int) -> Iterator[Callable[..., Product]]:
    folder = Path(tempfile.mkdtemp(prefix="celesta-up-"))
    folder.chmod(0o711)
    started: list[Product] = []

    def run(**variables: str) -> Product:
        started.append(Product(folder / "home", free_port, **variables))
        return started[-1]

    yield run
    for product in started:
        left = product.all_processes() if product.process.poll() is None else []
        product.process.kill()
        product.process.wait()
        assert eventually(lambda left=left: gone(left))  # type: ignore[misc]
    shutil.rmtree(folder)


def test_the_first_start_runs_the_order_flow_and_the_second_is_quick_and_quiet(
    start: Callable[..., Product],
) -> None:
    first = start().wait_until_ready()
    said = first.said()
    assert re.search(r"administrator 'admin', password '\S{12,}'", said)
    assert "order flow SUCCESS" in said
    for line in (
        r"order_id: +ORD-2026-000417",
        r"customer_name: +Amélie Laurent",
        r"address: +Nantes, France",
    ):
        assert re.search(line, said), said
    assert re.search(r"total_price: +253\.25", said), said
    page = re.search(rf"page: +http://127\.0\.0\.1:{first.port}(/\S+)", said)
    assert page and first.status(page[1]) == 200, "the login page or the page itself"
    assert first.status("/health") == first.status("/ready") == 200
    assert first.stop(signal.SIGINT) == 0

    began = time.monotonic()
    second = start().wait_until_ready()
    assert time.monotonic() - began <= 10
    assert "password" not in second.said() and "order flow" not in second.said()
    everything = second.all_processes()
    assert len(everything) > 6
    assert second.stop() == 0
    stopping = second.said()
    assert stopping.index("stopping") < stopping.index("stopped")
    assert gone(everything)


def test_a_killed_child_is_started_again(start: Callable[..., Product]) -> None:
    product = start().wait_until_ready()
    for command, name in (("run_executor", "executor"), ("run_worker", "worker"), ("run_web", "web")):
        before = product.children()[command]
        before.kill()
        assert eventually(lambda name=name: f"{name} died (signal SIGKILL)" in product.said())  # type: ignore[misc]
        assert eventually(
            lambda command=command, before=before: product.children().get(command, before).pid != before.pid  # type: ignore[misc, union-attr]
        )
    assert eventually(lambda: product.status("/ready") == 200)
    assert product.stop() == 0


def test_a_child_that_keeps_dying_ends_everything_with_its_name(start: Callable[..., Product]) -> None:
    product = start().wait_until_ready()
    everything = product.all_processes()
    web = product.children()["run_web"]
    with socket.socket() as thief:
        thief.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        web.kill()

        def steals_the_port() -> bool:
            try:
                thief.bind(("127.0.0.1", product.port))
            except OSError:
                return False
            return True

        assert eventually(steals_the_port)
        thief.listen()
        assert product.process.wait(90) == 1
    assert re.search(r"web died 5 times \(exit code \d+\): giving up", product.said()), product.said()
    assert gone(everything)


def test_a_supervisor_killed_with_9_leaves_no_process(start: Callable[..., Product]) -> None:
    product = start().wait_until_ready()
    everything = product.all_processes()
    product.process.kill()
    product.process.wait()
    assert eventually(lambda: gone(everything)), [process.cmdline() for process in everything if process.is_running()]


SCRIPT = b"""
id: script
namespace: company.team
tasks:
  - {id: long, type: io.kestra.plugin.scripts.shell.Commands, commands: ["echo $$; exec sleep 1234"]}
"""


def test_not_even_the_scripts_of_running_tasks_outlive_a_supervisor_killed_with_9(
    start: Callable[..., Product],
) -> None:
    product = start(CELESTA_ADMIN_PASSWORD="pw").wait_until_ready()
    product.api("POST", "/flows", SCRIPT)
    execution = product.api("POST", "/executions/company.team/script")["id"]

    def printed() -> list[str]:
        return [line["message"] for line in product.api("GET", f"/logs/{execution}") if line["message"].isdigit()]

    assert eventually(lambda: bool(printed()))
    script = psutil.Process(int(printed()[0]))
    assert "1234" in script.cmdline()
    everything = [*product.all_processes(), script]
    product.process.kill()
    product.process.wait()
    assert eventually(lambda: gone(everything)), [process.cmdline() for process in everything if process.is_running()]


def test_postgresql_killed_under_the_product_is_back_and_so_is_everything_else(start: Callable[..., Product]) -> None:
    product = start(CELESTA_ADMIN_PASSWORD="pw").wait_until_ready()
    before = {name: child.pid for name, child in product.children().items()}
    keeper, server = keeper_and_server(product)
    for victim in (server, keeper):
        victim.kill()
        assert eventually(lambda victim=victim: gone([victim]))  # type: ignore[misc]
        assert eventually(lambda: len(keeper_and_server(product)) == 2)
        assert eventually(lambda: product.status("/ready") == 200)
        order = (ROOT / "flows" / "examples" / "order.json").read_text()
        form = urlencode({"order": order}).encode()
        path = "/executions/company.team/order?wait=true"
        ended = product.api("POST", path, form, "application/x-www-form-urlencoded")
        assert ended["state"]["current"] == "SUCCESS"
    after = {name: child.pid for name, child in product.children().items()}
    assert {name: after[name] for name in before if name.startswith("run_")} == {
        name: pid for name, pid in before.items() if name.startswith("run_")
    }, "none of ours had to be started again"
    assert product.stop() == 0


def keeper_and_server(product: Product) -> list[psutil.Process]:
    """Those there are of the process that runs PostgreSQL and PostgreSQL's own first process."""
    found = []
    for one in product.all_processes():
        with suppress(psutil.Error):  # one that ends while it is looked at
            if "postgres_keeper" in " ".join(one.cmdline()):
                found += [one, *one.children()]
    return found


def test_a_port_in_use_is_one_clear_line(start: Callable[..., Product], free_port: int) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", free_port))
        other.listen()
        product = start()
        assert product.process.wait(30) == 2
    assert product.said() == f"celesta: 127.0.0.1:{free_port} is in use by another program: set CELESTA_PORT\n"
    assert not (product.home / "postgres").exists()


def test_a_home_that_cannot_be_written_is_one_clear_line(start: Callable[..., Product], tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    product = start(CELESTA_HOME=str(tmp_path / "file" / "home"))
    assert product.process.wait(30) == 2
    assert "set CELESTA_HOME" in product.said() and len(product.said().splitlines()) == 1


@pytest.mark.parametrize(
    ("variables", "reason"),
    [
        (
            {"DATABASE_URL": "postgresql://celesta@127.0.0.1:1/none"},
            "cannot use the database 'none' at 127.0.0.1:1",
        ),
        ({"DATABASE_URL": "sqlite:///x"}, "DATABASE_URL is not a PostgreSQL address"),
        ({"EXECUTOR_THREADS": "many"}, "EXECUTOR_THREADS must be a whole number"),
        ({"CELESTA_HOST": "no.such.host.invalid"}, "cannot listen on no.such.host.invalid"),
    ],
)
def test_a_wrong_setting_is_one_clear_line(
    start: Callable[..., Product], variables: dict[str, str], reason: str
) -> None:
    product = start(**variables)
    assert product.process.wait(30) == 2
    assert reason in product.said() and len(product.said().splitlines()) == 1


def test_it_runs_on_a_given_database_and_leaves_that_running(
    start: Callable[..., Product], fresh_database: str, database_url_of: Callable[[str], str]
) -> None:
    import psycopg

    product = start(DATABASE_URL=database_url_of(fresh_database)).wait_until_ready()
    assert not (product.home / "postgres").exists()
    assert product.stop() == 0
    with psycopg.connect(fresh_database) as connection:
        assert connection.execute("SELECT count(*) FROM executions WHERE state = 'SUCCESS'").fetchone() == (1,)
