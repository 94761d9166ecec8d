"""The product under measurement: started by its own supervisor with default settings; its processes and database."""

import os
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from base64 import b64encode
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import psycopg

from orchestrator_site import postgres_cluster

ROOT = Path(__file__).resolve().parent.parent.parent
START_SECONDS = 90
_NO_PROXY = urllib.request.build_opener(urllib.request.ProxyHandler({}))
# A developer's own settings must not be measured.
_FOREIGN = ("DATABASE_URL", "DATABASE_DIRECT_URL", "CELERY_BROKER_URL", "CELESTA_EMBEDDED_UNSAFE", "EXECUTOR_THREADS",
            "EXECUTOR_POLL_MS", "WORKER_POOL", "WORKER_CONCURRENCY", "QUEUE_BACKEND")  # fmt: skip


@dataclass(slots=True)
class Product:
    home: Path
    port: int
    password: str
    variables: dict[str, str]
    supervisor: "subprocess.Popen[bytes]"
    start_seconds: float

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def authorization(self) -> str:
        return "Basic " + b64encode(f"admin:{self.password}".encode()).decode()

    @property
    def conninfo(self) -> str:
        cluster = postgres_cluster.load(self.home)
        assert cluster is not None
        return cluster.conninfo

    @contextmanager
    def database(self) -> Iterator["psycopg.Connection[tuple[Any, ...]]"]:
        with psycopg.connect(self.conninfo, autocommit=True, application_name="benchmark") as connection:
            yield connection

    def ask(self, method: str, path: str, body: bytes | None = None, kind: str = "application/x-yaml") -> bytes:
        request = urllib.request.Request(f"{self.url}{path}", data=body, method=method)
        request.add_header("Authorization", self.authorization)
        if body is not None:
            request.add_header("Content-Type", kind)
        with _NO_PROXY.open(request, timeout=30) as answer:
            return bytes(answer.read())

    def add_flow(self, source: str) -> None:
        self.ask("POST", "/api/v1/main/flows", source.encode())

    # --- what it costs

    def processes(self) -> dict[str, list[psutil.Process]]:
        """By part. PostgreSQL's are found by its data directory: its keeper has a session of its own."""
        top = psutil.Process(self.supervisor.pid)
        parts: dict[str, list[psutil.Process]] = {"supervisor": [top]}
        for child in top.children():
            name = _command(child).rpartition("run_")[2]
            if "postgres" not in _command(child):
                parts[name] = [child, *child.children(recursive=True)]
        cluster = postgres_cluster.load(self.home)
        assert cluster is not None
        pid = int((cluster.data / "postmaster.pid").read_text().split()[0])
        postmaster = psutil.Process(pid)
        parts["postgres"] = [postmaster, *postmaster.children(recursive=True)]
        keeper = postmaster.parent()
        if keeper is not None and str(self.home) in _command(keeper):
            parts["keeper"] = [keeper]
        return parts

    def memory(self) -> dict[str, float]:
        """Proportional set size in MB by part."""
        return {part: sum(_pss(process) for process in found) / 2**20 for part, found in self.processes().items()}

    def cpu(self, without: frozenset[int] = frozenset()) -> dict[str, float]:
        """CPU seconds since the start by part; `without` are database processes of the measurement itself."""
        seconds: dict[str, float] = {}
        for part, found in self.processes().items():
            for process in found:
                if process.pid not in without:
                    seconds[part] = seconds.get(part, 0.0) + _cpu(process)
        return seconds


def _command(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline())
    except psutil.Error:
        return ""


def _pss(process: psutil.Process) -> float:
    try:
        return float(process.memory_full_info().pss)
    except psutil.Error:
        return 0.0


def _cpu(process: psutil.Process) -> float:
    """With that of children it has waited for: what an ended process used is not lost."""
    try:
        times = process.cpu_times()
    except psutil.Error:
        return 0.0
    return float(times.user + times.system + times.children_user + times.children_system)


@contextmanager
def running(port: int, extra: Mapping[str, str] | None = None) -> Iterator[Product]:
    """A fresh product in a throw-away home."""
    home = Path(tempfile.mkdtemp(prefix="celesta-bench-"))
    home.chmod(0o711)
    password = secrets.token_urlsafe(12)
    variables = {name: value for name, value in os.environ.items() if name not in _FOREIGN}
    variables |= {
        "CELESTA_HOME": str(home / "home"),
        "CELESTA_PORT": str(port),
        "CELESTA_ADMIN_USERNAME": "admin",
        "CELESTA_ADMIN_PASSWORD": password,
        **(extra or {}),
    }
    log = home / "product.log"
    began = time.monotonic()
    with open(log, "wb") as output:
        command = [sys.executable, str(ROOT / "manage.py"), "up"]
        supervisor = subprocess.Popen(command, cwd=ROOT, env=variables, stdout=output, stderr=subprocess.STDOUT)
    product = Product(home / "home", port, password, variables, supervisor, 0.0)
    try:
        _wait_until_ready(product, log)
        product.start_seconds = time.monotonic() - began
        yield product
    finally:
        supervisor.send_signal(signal.SIGTERM)
        supervisor.wait(60)
        if keep := os.environ.get("BENCH_LOG"):
            shutil.copy(log, keep)
        shutil.rmtree(home, ignore_errors=True)


def _wait_until_ready(product: Product, log: Path) -> None:
    """Until it says so: web answers and the first start's example has run."""
    deadline = time.monotonic() + START_SECONDS
    while b"| ready: " not in log.read_bytes():
        if product.supervisor.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(f"the product did not start:\n{log.read_text(errors='replace')[-3000:]}")
        time.sleep(0.05)
