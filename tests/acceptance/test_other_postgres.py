"""`manage.py up` on PostgreSQL servers that are not the embedded one: the system's own, and one that is too old."""

import glob
import os
import pwd
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.plant import ROOT, eventually, find_free_port


def up(home: Path, database_url: str, port: int, log: Path) -> "subprocess.Popen[bytes]":
    environment = {
        **os.environ,
        "DATABASE_URL": database_url,
        "CELESTA_HOME": str(home),
        "CELESTA_PORT": str(port),
        "CELESTA_ADMIN_PASSWORD": "pw",
    }
    with log.open("w") as output:
        command = [sys.executable, "manage.py", "up"]
        return subprocess.Popen(command, cwd=ROOT, env=environment, stdout=output, stderr=subprocess.STDOUT)


class OldServer(threading.Thread):
    """Greets like PostgreSQL of the given version, to whoever connects."""

    def __init__(self, version: str) -> None:
        super().__init__(daemon=True)
        self._version = version
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]

    def run(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self.socket.accept()
                with client, suppress(OSError):
                    self._greet(client)

    def _greet(self, client: socket.socket) -> None:
        while True:
            length, code = struct.unpack("!II", client.recv(8, socket.MSG_WAITALL))
            client.recv(length - 8, socket.MSG_WAITALL)
            if code == 196608:  # protocol 3.0; before it the client may have asked for encryption
                break
            client.sendall(b"N")
        told = {"server_version": self._version, "server_encoding": "UTF8", "client_encoding": "UTF8"}
        answer = _message(b"R", struct.pack("!I", 0))
        for name, value in told.items():
            answer += _message(b"S", f"{name}\0{value}\0".encode())
        client.sendall(answer + _message(b"K", struct.pack("!II", 1, 1)) + _message(b"Z", b"I"))
        client.recv(1024)


def _message(kind: bytes, body: bytes) -> bytes:
    return kind + struct.pack("!I", len(body) + 4) + body


def test_a_server_that_is_too_old_is_one_clear_line(tmp_path: Path) -> None:
    old = OldServer("13.14")
    old.start()
    log = tmp_path / "log"
    product = up(tmp_path / "home", f"postgresql://celesta@127.0.0.1:{old.port}/celesta", find_free_port(), log)
    assert product.wait(30) == 2
    assert log.read_text() == "celesta: PostgreSQL 13.14 is too old: Celesta needs 14 or newer\n"
    old.socket.close()


@pytest.fixture
def system_server() -> Iterator[str]:
    """URL of a database on a server of the operating system's packages."""
    places = [shutil.which("initdb") or "", *sorted(glob.glob("/usr/lib/postgresql/*/bin/initdb"), reverse=True)]
    binaries = next((Path(place).resolve().parent for place in places if place), None)
    if binaries is None or not (binaries / "postgres").exists():
        pytest.skip("no PostgreSQL of the system found (Debian: apt-get install postgresql)")
    as_user: dict[str, Any] = {}
    folder = Path(tempfile.mkdtemp(prefix="celesta-system-"))
    if os.geteuid() == 0:
        account = pwd.getpwnam("nobody")
        as_user = {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}
        os.chown(folder, account.pw_uid, account.pw_gid)
    data, port = folder / "data", find_free_port()
    command = [str(binaries / "initdb"), "-D", str(data), "-U", "celesta", "-A", "trust", "-E", "UTF8", "--no-sync"]
    subprocess.run(command, check=True, capture_output=True, cwd="/", **as_user)
    settings = [f"port={port}", f"unix_socket_directories={folder}", "listen_addresses=127.0.0.1", "fsync=off"]
    command = [str(binaries / "postgres"), "-D", str(data)] + [word for one in settings for word in ("-c", one)]
    with (folder / "log").open("w") as log:
        server = subprocess.Popen(command, stdout=log, stderr=log, cwd="/", **as_user)
    try:
        conninfo = f"postgresql://celesta@127.0.0.1:{port}/postgres"
        eventually(lambda: _created(conninfo), 20, lambda: (folder / "log").read_text())
        yield f"postgresql://celesta@127.0.0.1:{port}/celesta"
    finally:
        server.send_signal(signal.SIGQUIT)
        server.wait()
        shutil.rmtree(folder)


def _created(conninfo: str) -> bool:
    try:
        with psycopg.connect(conninfo, autocommit=True) as connection:
            connection.execute("CREATE DATABASE celesta")
    except psycopg.OperationalError:
        return False
    return True


def test_it_runs_on_the_systems_own_server(system_server: str, tmp_path: Path) -> None:
    log = tmp_path / "log"
    product = up(tmp_path / "home", system_server, find_free_port(), log)
    try:
        eventually(lambda: "ready: http" in log.read_text() or product.poll() is not None, 60, log.read_text)
        assert "order flow SUCCESS" in log.read_text(), log.read_text()
    finally:
        product.terminate()
        assert product.wait(40) == 0, log.read_text()
    with psycopg.connect(system_server) as connection:
        assert connection.execute("SELECT state FROM executions").fetchall() == [("SUCCESS",)]
        assert connection.execute("SELECT count(*) FROM service_instances").fetchone() == (0,)
