"""CELESTA_LOG_FORMAT=json: lines that a log store reads by field."""

import json
import logging

import pytest

from executor import telemetry
from orchestrator_site import logs


def test_an_event_has_its_facts_as_fields(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "celesta.executor")
    telemetry.tell("worker.lost", service="w1", kind="worker")
    line = json.loads(logs.formatter().format(caplog.records[0]))
    assert (line["event"], line["level"], line["service"]) == ("worker.lost", "warning", "w1")
    assert line["timestamp"].endswith("Z")


def test_a_traceback_stays_in_its_line(caplog: pytest.LogCaptureFixture) -> None:
    try:
        raise ValueError("broken")
    except ValueError:
        logging.getLogger("any").exception("it %s", "failed")
    text = logs.formatter().format(caplog.records[0])
    assert "\n" not in text
    line = json.loads(text)
    assert line["event"] == "it failed"
    assert "ValueError: broken" in line["exception"]
