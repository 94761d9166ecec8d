"""The encryption key is changed while flows with secrets run: none fails, and the old key is of no use afterwards."""

import base64
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.plant import ROOT, TERMINAL, Plant, Process, django_on, eventually, find_free_port

NAMESPACE = "company.keys"
SECRET = "T4bl3-kept-through-a-rotation"
FLOW = """
id: keeps
namespace: company.keys
inputs: [{id: pass, type: SECRET}, {id: wait, type: STRING}]
variables: {kept: "{{ secret('OF_TABLE') }}"}
tasks:
  - {id: out, type: core.debug.Return, format: "{{ secret('OF_TABLE') }} {{ inputs.pass }}"}
  - {id: large, type: core.output.OutputValues, values: {all: ["{{ secret('OF_TABLE') }}", "{{ range(1, 4000) }}"]}}
  - {id: kv, type: core.kv.Set, key: "k{{ execution.id }}", value: "{{ outputs.out.value }}"}
  - {id: variables, type: core.execution.SetVariables, variables: {kept: "{{ inputs.pass }}"}}
  - id: maybe
    type: core.flow.If
    condition: "{{ inputs.wait == 'pause' }}"
    then: [{id: pause, type: core.flow.Pause}]
    else: [{id: sleep, type: core.flow.Sleep, duration: PT0.3S}]
  - id: same
    type: core.execution.Assert
    conditions:
      - "{{ outputs.out.value == secret('OF_TABLE') ~ ' ' ~ inputs.pass }}"
      - "{{ kv('k' ~ execution.id) == outputs.out.value }}"
      - "{{ outputs.large.values.all[0] == secret('OF_TABLE') }}"
      - "{{ kept == inputs.pass }}"
"""


def key() -> str:
    return base64.b64encode(os.urandom(32)).decode()


@pytest.fixture
def plant(fresh_database: str, tmp_path: Path, django_db_blocker: Any) -> Iterator[Plant]:
    with django_db_blocker.unblock(), django_on(fresh_database):
        made = Plant(fresh_database, tmp_path)
        yield made
        made.end()


class House:
    """The product under one setting of the key at a time."""

    def __init__(self, plant: Plant) -> None:
        self.plant = plant
        self.parts: list[Process] = []

    def live_with(self, *keys: str) -> None:
        """Every process is replaced by one with these keys."""
        for part in self.parts:
            part.stop()
        self.plant.environment["CELESTA_ENCRYPTION_KEY"] = ",".join(keys)
        self.parts = [self.plant.executor(), self.plant.worker("-c", "4")]
        self.plant.web(find_free_port())
        self.parts.append(self.plant.processes[-1])
        for part in self.parts[:2]:
            part.wait_until_ready()

    def manage(self, *arguments: str) -> str:
        command = [sys.executable, str(ROOT / "manage.py"), *arguments]
        done = subprocess.run(
            command, env=self.plant.environment, capture_output=True, text=True, timeout=90, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def start(self, wait: str) -> str:
        parts = "".join(
            f'--b\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
            for name, value in (("pass", "G1v3n-with-the-execution"), ("wait", wait))
        )
        path = f"/api/v1/main/executions/{NAMESPACE}/keeps"
        status, told = self.plant.request("POST", path, f"{parts}--b--\r\n".encode(), "multipart/form-data; boundary=b")
        assert status == 200, told
        return str(told["id"])

    def state(self, execution_id: str) -> str:
        return str(self.plant.get(f"/api/v1/main/executions/{execution_id}")["state"]["current"])


def test_no_flow_notices_a_new_key(plant: Plant) -> None:
    old, new = key(), key()
    house = House(plant)
    plant.define(FLOW)
    house.live_with(old)
    _put_secret(plant, old)
    paused = [house.start("pause") for _ in range(3)]
    for one in paused:
        eventually(lambda one=one: house.state(one) == "PAUSED", 30, lambda: plant.left())  # type: ignore[misc]
    house.live_with(new, old)
    plant.request("POST", f"/api/v1/main/executions/{paused[0]}/resume")  # goes on before the rotation
    stop, started = threading.Event(), list[str]()

    def keep_starting() -> None:
        while not stop.is_set():
            started.append(house.start("no"))
            stop.wait(0.05)

    caller = threading.Thread(target=keep_starting)
    caller.start()
    eventually(lambda: len(started) > 5, 20, "some executions")
    assert "values anew" in house.manage("rotate_encryption")
    count = len(started)
    eventually(lambda: len(started) > count + 5, 20, "executions after the rotation")
    stop.set()
    caller.join()
    house.live_with(new)
    for one in paused[1:]:
        assert plant.request("POST", f"/api/v1/main/executions/{one}/resume")[0] < 300
    ended = [*paused, *started]
    eventually(lambda: all(house.state(one) in TERMINAL for one in ended), 60, lambda: plant.left())
    log = plant.rows("SELECT message FROM logs WHERE level = 4")
    assert {house.state(one) for one in ended} == {"SUCCESS"}, log
    assert house.manage("rotate_encryption").startswith("encrypted 0 values anew")


def _put_secret(plant: Plant, old: str) -> None:
    """As the administration would, in a process with the key in use."""
    from dataclasses import replace

    from django.conf import settings

    from executions.storage import secrets

    before = settings.CELESTA
    settings.CELESTA = replace(before, encryption_keys=(base64.b64decode(old),))
    try:
        secrets.put(plant.connection, "company", "OF_TABLE", SECRET)
    finally:
        settings.CELESTA = before
