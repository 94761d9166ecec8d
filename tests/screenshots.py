"""Every page as a picture, at 1280 and 390 px, light and dark, with real data: `make screenshots`.

Starts a product of its own on a throw-away home, gives it flows that succeed, fail inside a loop, pause, retry and log a
lot, and writes `screenshots/<page>-<width>-<theme>.png`. Prints what overflows or complains on the console.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import requests
from playwright.sync_api import Page, sync_playwright

from tests.plant import eventually, find_free_port

ROOT = Path(__file__).resolve().parent.parent
USER, PASSWORD = "admin", "screenshots"
FLOWS = ROOT / "tests" / "flows" / "screenshots"
WIDTHS, THEMES = {1280: 800, 390: 844}, ("light", "dark")
STARTED = {
    "company.finance/nightly_report": 2,
    "company.crm/import_customers": 3,
    "company.crm/flaky": 2,
    "company.web/build_site": 4,
    "company.web/long_job": 1,
    "company.web/limited": 4,
    "company.data/load_tables": 3,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", default=str(ROOT / "screenshots"), type=Path)
    parser.add_argument("--only", help="pages whose name contains this")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    with product() as base:
        ids = fill(base)
        shoot(base, options.out, pages(ids), options.only)
    print(f"pictures in {options.out}")


@contextmanager
def product() -> Iterator[str]:
    port = find_free_port()
    with tempfile.TemporaryDirectory(prefix="celesta-pictures-") as folder:
        os.chmod(folder, 0o711)  # an unprivileged user runs the embedded PostgreSQL of root
        variables = {
            "CELESTA_HOME": f"{folder}/home",
            "CELESTA_PORT": str(port),
            "CELESTA_ADMIN_USERNAME": USER,
            "CELESTA_ADMIN_PASSWORD": PASSWORD,
        }
        process = subprocess.Popen(
            [sys.executable, "manage.py", "up"], cwd=ROOT, env={**os.environ, **variables}, stdout=subprocess.DEVNULL
        )
        base = f"http://127.0.0.1:{port}"
        try:
            eventually(lambda: _get(f"{base}/ready") == 200, 120, "start", 0.2)
            yield base
        finally:
            process.terminate()
            process.wait(60)


def fill(base: str) -> dict[str, str]:
    """Flows and executions; the ids of the executions to look at, by flow."""
    session = requests.Session()
    session.trust_env = False
    session.auth = (USER, PASSWORD)
    api = f"{base}/api/v1/main"
    for file in sorted(FLOWS.glob("*.yaml")):
        answer = session.post(
            f"{api}/flows/bulk?delete=false", data=file.read_bytes(), headers={"Content-Type": "application/x-yaml"}
        )
        answer.raise_for_status()
    revised = (FLOWS / "flaky.yaml").read_text().replace("maxAttempts: 3", "maxAttempts: 4")
    session.put(
        f"{api}/flows/company.crm/flaky", data=revised.encode(), headers={"Content-Type": "application/x-yaml"}
    ).raise_for_status()
    ids = {}
    for name, count in STARTED.items():
        for _ in range(count):
            answer = session.post(f"{api}/executions/{name}")
            answer.raise_for_status()
            ids[name.partition("/")[2]] = answer.json()["id"]
    wanted = {
        "nightly_report": "PAUSED",
        "import_customers": "FAILED",
        "flaky": "FAILED",
        "build_site": "WARNING",
        "load_tables": "SUCCESS",
    }
    for flow, state in wanted.items():
        _reaches(session, f"{api}/executions/{ids[flow]}", state)
    return ids


def _reaches(session: requests.Session, address: str, state: str) -> None:
    eventually(lambda: session.get(address).json()["state"]["current"] == state, 60, f"{address} {state}", 0.2)


def pages(ids: dict[str, str]) -> dict[str, tuple[str, ...]]:
    """Name: address, then what to click."""
    report, customers = "/flows/company.finance/nightly_report", f"/executions/{ids['import_customers']}"
    return {
        "home": ("/",),
        "flows": ("/flows",),
        "flows-none": ("/flows?q=nothing",),
        "flow": (report,),
        "editor": (f"{report}/edit",),
        "execute": (f"{report}/execute",),
        "revisions": ("/flows/company.crm/flaky/revisions",),
        "triggers": ("/triggers",),
        "executions": ("/executions",),
        "executions-chosen": ("/executions", "[data-pick]"),
        "execution-failed": (customers,),
        "execution-topology": (customers, "[data-view=topology]"),
        "execution-kill": (f"/executions/{ids['long_job']}", "[data-act=kill]"),
        "execution-paused": (f"/executions/{ids['nightly_report']}",),
        "execution-resume": (f"/executions/{ids['nightly_report']}/resume",),
        "execution-attempts": (f"/executions/{ids['flaky']}",),
        "execution-log": (f"/executions/{ids['build_site']}",),
        "execution-metrics": (f"/executions/{ids['load_tables']}",),
        "execution-labels": (f"/executions/{ids['load_tables']}", "summary.button:visible", "[data-act=labels]"),
        "execute-described": ("/flows/company.data/load_tables/execute",),
        "execution-waiting": (f"/executions/{ids['limited']}",),
        "logs": ("/logs",),
        "system": ("/system",),
        "admin": ("/admin/flows/flowrecord/",),
        "admin-queues": ("/admin/executions/queuemessage/",),
        "admin-executions": ("/admin/executions/executionrecord/",),
    }


def shoot(base: str, out: Path, wanted: dict[str, tuple[str, ...]], only: str | None) -> None:
    chromium = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if chromium is None:
        raise SystemExit("no Chromium found: install one (Debian: apt-get install chromium)")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=chromium, args=["--no-sandbox"] if os.geteuid() == 0 else []
        )
        for width, height in WIDTHS.items():
            for theme in THEMES:
                context = browser.new_context(viewport={"width": width, "height": height}, color_scheme=theme)
                page = context.new_page()
                page.add_init_script("localStorage.removeItem('execution-view')")  # each starts as for a newcomer
                page.on("console", lambda message: message.type == "error" and print("console:", message.text))
                picture(page, base, out / f"login-{width}-{theme}.png", "/login")
                _log_in(page, base)
                for name, (address, *clicks) in wanted.items():
                    if not only or only in name:
                        picture(page, base, out / f"{name}-{width}-{theme}.png", address, *clicks)
                context.close()
        browser.close()


def picture(page: Page, base: str, file: Path, address: str, *clicks: str) -> None:
    page.goto(base + address)
    page.wait_for_load_state("load")
    for selector in clicks:
        page.locator(selector).first.click()
    # Streams stay open, so the network is never idle: quiet means that nothing moved for a while.
    page.evaluate(
        "() => new Promise(done => { let timer = setTimeout(done, 400);"
        " new MutationObserver(() => { clearTimeout(timer); timer = setTimeout(done, 200) })"
        ".observe(document.body, { childList: true, subtree: true }); setTimeout(done, 2500) })"
    )
    wide = page.evaluate("document.documentElement.scrollWidth - innerWidth")
    if wide > 0:
        print(f"{file.name}: {wide} px wider than the window")
    page.screenshot(path=str(file))


def _log_in(page: Page, base: str) -> None:
    page.get_by_label("Name").fill(USER)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Log in").click()
    page.wait_for_url(f"{base}/")


def _get(address: str) -> int:
    try:
        return requests.get(address, timeout=5, proxies={"http": "", "https": ""}).status_code
    except requests.RequestException:
        return 0


if __name__ == "__main__":
    main()
