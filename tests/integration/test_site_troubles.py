"""What the site says of its own troubles: enough for who mends them, nothing for strangers."""

from dataclasses import replace
from typing import Any

import pytest
from django.db import OperationalError
from django.test import Client

from orchestrator_site import doctor, health


def test_ready_does_not_tell_strangers_where_the_database_is(monkeypatch: pytest.MonkeyPatch) -> None:
    class Away:
        def cursor(self) -> Any:
            raise OperationalError('connection to server at "10.1.2.3" failed: FATAL: no password for user "celesta"')

    monkeypatch.setattr(health, "connection", Away())
    answer = Client().get("/ready")
    assert answer.status_code == 503
    assert answer.json() == {"status": "DOWN", "reasons": ["database: it cannot be reached"]}


def test_a_check_of_the_doctor_that_raises_is_a_finding(monkeypatch: pytest.MonkeyPatch, settings: Any) -> None:
    settings.CELESTA = replace(settings.CELESTA, broker_url="redis://host:none/0")
    monkeypatch.setattr(doctor, "_CHECKS", {"broker": doctor._broker})
    (found,) = doctor.examine()
    assert found.subject == "broker" and found.verdict is doctor.Verdict.FAIL and "port" in found.text.lower()
