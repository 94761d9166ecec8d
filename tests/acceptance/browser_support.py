"""A whole product and a real browser for the browser tests: one of each per run, a fresh page per test.

Every page checks by itself, at the end of its test, that the console showed no error and no other host was asked.
"""

import os
import re
import signal
import subprocess
import sys
import tempfile
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import psycopg
import pytest
import requests
from playwright.sync_api import Browser, ConsoleMessage, Page, Playwright, Request, sync_playwright
from psycopg.conninfo import make_conninfo

from tests.plant import eventually, find_free_port

ROOT = Path(__file__).resolve().parent.parent.parent
ADMIN = ("admin", "browser-tests-4711")


class Site:
    """A running product with its REST API, for what a test needs before it opens a page."""

    def __init__(self, base: str, conninfo: str) -> None:
        self.base, self.conninfo = base, conninfo
        self.session = requests.Session()
        self.session.trust_env = False
        self.session.auth = ADMIN

    def api(self, method: str, path: str, **named: Any) -> Any:
        answer = self.session.request(method, f"{self.base}/api/v1/main/{path}", timeout=30, **named)
        assert answer.status_code < 300, f"{method} {path}: {answer.status_code} {answer.text}"
        return answer.json() if answer.content else None

    def flow(self, source: str) -> None:
        """Create or revise."""
        self.api(
            "POST", "flows/bulk?delete=false", data=source.encode(), headers={"Content-Type": "application/x-yaml"}
        )

    def execute(self, flow_id: str, namespace: str = "tests.browser", **inputs: Any) -> str:
        files = {name: (None, str(value)) for name, value in inputs.items()} or None
        return str(self.api("POST", f"executions/{namespace}/{flow_id}", files=files)["id"])

    def state(self, execution_id: str) -> str:
        return str(self.api("GET", f"executions/{execution_id}")["state"]["current"])

    def reaches(self, execution_id: str, *states: str, seconds: float = 30) -> str:
        eventually(
            lambda: self.state(execution_id) in states, seconds, lambda: f"{states}, not {self.state(execution_id)},"
        )
        return self.state(execution_id)


@pytest.fixture(scope="session")
def site(chromium: str, database_server: str, database_template: str) -> Iterator[Site]:
    from orchestrator_site.postgres import url_of

    name = f"celesta_browser_{uuid4().hex[:8]}"
    with psycopg.connect(database_server, autocommit=True) as connection:
        connection.execute("SELECT pg_advisory_lock(20)")  # a template cannot be copied twice at a time
        connection.execute(f'CREATE DATABASE "{name}" TEMPLATE "{database_template}"')
    conninfo = make_conninfo(database_server, dbname=name)
    with tempfile.TemporaryDirectory(prefix="celesta-browser-") as folder:
        port = find_free_port()
        environment = {
            **os.environ,
            "DATABASE_URL": url_of(conninfo),
            "CELESTA_HOME": f"{folder}/home",
            "CELESTA_PORT": str(port),
            "CELESTA_ADMIN_USERNAME": ADMIN[0],
            "CELESTA_ADMIN_PASSWORD": ADMIN[1],
        }
        log = Path(folder) / "log"
        with open(log, "w") as output:
            process = subprocess.Popen(
                [sys.executable, "manage.py", "up"], cwd=ROOT, env=environment, stdout=output, stderr=output
            )
        try:
            eventually(lambda: "ready: http" in log.read_text() or process.poll() is not None, 100, log.read_text)
            assert process.poll() is None, log.read_text()
            yield Site(f"http://127.0.0.1:{port}", conninfo)
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(60)
    with psycopg.connect(database_server, autocommit=True) as connection:
        connection.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')


# Per module: its event loop would make Django refuse every later test of the same process.
@pytest.fixture(scope="module")
def playwright() -> Iterator[Playwright]:
    with sync_playwright() as running:
        yield running


@pytest.fixture(scope="module")
def browser(playwright: Playwright, chromium: str) -> Iterator[Browser]:
    # The sandbox needs rights that root in a container does not have.
    options = ["--no-sandbox"] if os.geteuid() == 0 else []
    found = playwright.chromium.launch(executable_path=chromium, args=[*options, "--disable-dev-shm-usage"])
    yield found
    found.close()


@pytest.fixture(scope="module")
def cookies(site: Site, browser: Browser) -> Any:
    """Logged in once, for all pages of a module."""
    context = browser.new_context(base_url=site.base)
    page = context.new_page()
    log_in(page)
    found = context.storage_state()
    context.close()
    return found


def log_in(page: Page) -> None:
    page.goto("/login")
    page.get_by_label("Name").fill(ADMIN[0])
    page.get_by_label("Password").fill(ADMIN[1])
    page.get_by_role("button", name="Log in").click()
    page.wait_for_url(re.compile(r":\d+/$"))


@pytest.fixture
def refusals() -> set[str]:
    """A test adds what the browser will report on the console because the test wants it so: `status of 422`."""
    return set()


@pytest.fixture
def page(site: Site, browser: Browser, cookies: Any, refusals: set[str]) -> Iterator[Page]:
    context = browser.new_context(base_url=site.base, storage_state=cookies, viewport={"width": 1280, "height": 800})
    found = context.new_page()
    faults = watch_faults(found, site.base, refusals)
    yield found
    context.close()
    assert not faults, "\n".join(faults)


def watch_faults(page: Page, base: str, refusals: Collection[str] = ()) -> list[str]:
    """Filled by what no page may do: errors on the console, uncaught exceptions, requests to other hosts."""
    faults: list[str] = []

    def on_console(message: ConsoleMessage) -> None:
        if message.type == "error" and not any(wanted in message.text for wanted in refusals):
            faults.append(f"console: {message.text} ({message.location})")

    def on_request(request: Request) -> None:
        if not request.url.startswith((base, "data:", "blob:", "about:")):
            faults.append(f"other host: {request.url}")

    page.on("console", on_console)
    page.on("pageerror", lambda error: faults.append(f"uncaught: {error}"))
    page.on("request", on_request)
    page.set_default_timeout(15_000)
    return faults
