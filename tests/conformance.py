"""`make conformance`: the outside judge on a server of its own, started by the product's own supervisor.

Not a test module. The judge lives beside the checkout (`CONFORMANCE`, default ../shared/conformance); details of every
case go to the folder CONFORMANCE_RESULTS.
"""

import base64
import json
import os
import secrets
import shlex
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
JUDGE = Path(os.environ.get("CONFORMANCE") or ROOT.parent / "shared" / "conformance")
PORT = int(os.environ.get("CONFORMANCE_PORT") or 18_080)
BASE_URL = f"http://127.0.0.1:{PORT}"
START_SECONDS = 90


def main() -> int:
    if not (JUDGE / "run_flows.py").exists():
        print(f"no judge in {JUDGE}; set CONFORMANCE to its folder", file=sys.stderr)
        return 2
    password = secrets.token_urlsafe(12)
    with tempfile.TemporaryDirectory(prefix="celesta-conformance-") as folder:
        os.chmod(folder, 0o711)
        variables = {
            **_server_variables(),
            "CELESTA_HOME": str(Path(folder) / "home"),
            "CELESTA_PORT": str(PORT),
            "CELESTA_ADMIN_USERNAME": "admin",
            "CELESTA_ADMIN_PASSWORD": password,
        }
        with _server(variables, Path(folder) / "server.log"):
            return _judge({**variables, "PYTHONDONTWRITEBYTECODE": "1"})


def _server_variables() -> dict[str, str]:
    """The environment after a shell has read the judge's `server.env`; no database or broker of the developer."""
    show = "import json, os; print(json.dumps(dict(os.environ)))"
    command = [
        "/bin/sh",
        "-c",
        '. "$1" && exec "$2" -c "$3"',
        "sh",
        str(JUDGE / "server.env"),
        sys.executable,
        show,
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    variables: dict[str, str] = json.loads(done.stdout)
    for name in ("DATABASE_URL", "DATABASE_DIRECT_URL", "CELERY_BROKER_URL"):
        variables.pop(name, None)
    # The scripts of the judge use its own Python, which only its user may be able to reach.
    variables.setdefault("WORKER_SCRIPT_USER", "root")
    return variables


@contextmanager
def _server(variables: dict[str, str], log: Path) -> Iterator[None]:
    with open(log, "w", encoding="utf-8") as output:
        command = [sys.executable, str(ROOT / "manage.py"), "up"]
        server = subprocess.Popen(command, env=variables, stdout=output, stderr=subprocess.STDOUT, cwd=ROOT)
    try:
        _wait_until_ready(server, log)
        _empty(variables["CELESTA_ADMIN_PASSWORD"])
        yield
    finally:
        server.send_signal(signal.SIGTERM)
        server.wait(60)
        if keep := os.environ.get("CONFORMANCE_LOG"):
            Path(keep).write_text(log.read_text(encoding="utf-8"), encoding="utf-8")


def _wait_until_ready(server: "subprocess.Popen[bytes]", log: Path) -> None:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and server.poll() is None:
        try:
            with opener.open(f"{BASE_URL}/ready", timeout=2):
                pass
            if " ready: " in log.read_text(encoding="utf-8"):
                return
        except (urllib.error.URLError, OSError):
            pass
        time.sleep(0.2)
    print(log.read_text(encoding="utf-8")[-4000:], file=sys.stderr)
    raise SystemExit("the server did not become ready")


def _empty(password: str) -> None:
    """The judge wants a server without executions: the example of the first start goes, by the API as a user would."""
    url = f"{BASE_URL}/api/v1/executions/by-query?namespace=company.team&includeNonTerminated=true"
    credentials = base64.b64encode(f"admin:{password}".encode()).decode()
    request = urllib.request.Request(url, method="DELETE", headers={"Authorization": f"Basic {credentials}"})
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=30):
        pass


def _judge(environment: dict[str, str]) -> int:
    """All three judges, one after the other; their last lines once more at the end."""
    server = ["--base-url", BASE_URL, "--user", "admin", "--password", environment["CELESTA_ADMIN_PASSWORD"]]
    data = JUDGE / "open"
    # Scripts of the clients run as another account when we are root: their Python must not stand in a private home.
    cache = Path(tempfile.gettempdir()) / f"celesta-kestra-clients-{os.getuid()}"
    hook = f"{shlex.quote(sys.executable)} {shlex.quote(str(ROOT / 'manage.py'))} expression_hook"
    flows = [sys.executable, "-u", str(JUDGE / "run_flows.py"), *server]
    flows += ["--cases", str(data / "flow_cases.json"), "--root", str(data), "--jobs", "4"]
    expressions = [sys.executable, "-u", str(JUDGE / "run_expressions.py")]
    expressions += ["--cases", str(data / "expression_cases.json"), "--hook", hook]
    clients = ["/bin/sh", str(JUDGE / "clients" / "run_all.sh"), *server, "--cache", str(cache)]
    with _results_folder() as folder:
        flows += ["--json", str(folder / "flows.json")]
        expressions += ["--json", str(folder / "expressions.json")]
        judges = {"flows": flows, "expressions": expressions, "clients": clients}
        results = [_run(name, command, environment, folder) for name, command in judges.items()]
    print("\n" + "\n".join(line for _, line in results))
    return max(code for code, _ in results)


@contextmanager
def _results_folder() -> Iterator[Path]:
    """CONFORMANCE_RESULTS, where every judge's output and answers stay; else they are printed only."""
    if given := os.environ.get("CONFORMANCE_RESULTS"):
        Path(given).mkdir(parents=True, exist_ok=True)
        yield Path(given)
        return
    with tempfile.TemporaryDirectory(prefix="celesta-results-") as folder:
        yield Path(folder)


def _run(name: str, command: list[str], environment: dict[str, str], folder: Path) -> tuple[int, str]:
    """The judge's lines as they come (VERBOSE=1), or a sign of life now and then, and all of them in a file."""
    verbose = bool(os.environ.get("VERBOSE"))
    last, count = "", 0
    print(f"--- {name}", flush=True)
    with open(folder / f"{name}.txt", "w", encoding="utf-8") as kept:
        try:
            judge = subprocess.Popen(
                command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace"
            )
        except OSError as error:
            return 2, f"{name}: cannot be started: {error}"
        assert judge.stdout is not None
        for line in judge.stdout:
            kept.write(line)
            kept.flush()
            last = line.strip() or last
            count += line.startswith(("PASS", "FAIL", "SKIP"))
            if verbose or line.startswith("FAIL") or (count and count % 25 == 0 and line.startswith("PASS")):
                print(
                    line.rstrip()[:300] if verbose or line.startswith("FAIL") else f"{name}: {count} judged", flush=True
                )
        code = judge.wait()
    if code not in (0, 1):
        # Without the network the clients cannot be installed: the other figures still count.
        return code, f"{name}: could not be judged (exit code {code}): {last[:200]}"
    print(last, flush=True)
    return code, last or f"{name}: no answer (exit code {code})"


if __name__ == "__main__":
    sys.exit(main())
