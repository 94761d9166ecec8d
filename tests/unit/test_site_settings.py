"""The settings contract: names, defaults, and one clear line for a wrong value."""

import base64
import os
import stat
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured

from orchestrator_site import environment


def read(home: Path, **variables: str) -> environment.CelestaSettings:
    return environment.read({"CELESTA_HOME": str(home), **variables})


def test_everything_has_a_working_default(tmp_path: Path) -> None:
    settings = read(tmp_path)
    assert (settings.host, settings.port, settings.public_url) == ("127.0.0.1", 8080, "http://127.0.0.1:8080")
    assert (settings.executor_threads, settings.executor_poll_ms) == (2, 25)
    assert settings.queues_retention == timedelta(days=7)
    assert settings.queues_retention_high_cardinality == settings.queues_clean_interval == timedelta(hours=1)
    assert settings.queue_backend == "postgres"
    assert settings.admin_username == "admin" and settings.admin_password is None
    assert settings.broker_url is None


def test_generated_keys_stay_the_same_and_are_readable_by_the_owner_only(tmp_path: Path) -> None:
    first, second = read(tmp_path), read(tmp_path)
    assert first.secret_key == second.secret_key and len(first.secret_key) >= 50
    assert first.encryption_keys == second.encryption_keys
    for name in ("secret_key", "encryption_key"):
        assert stat.S_IMODE((tmp_path / name).stat().st_mode) == 0o600


def test_two_homes_have_different_keys(tmp_path: Path) -> None:
    assert read(tmp_path / "a").secret_key != read(tmp_path / "b").secret_key


def test_encryption_can_be_turned_off(tmp_path: Path) -> None:
    assert read(tmp_path, CELESTA_ENCRYPTION_KEY="none").encryption_keys == ()


def test_the_environment_of_flows_is_lower_case_and_our_prefix_wins(tmp_path: Path) -> None:
    settings = read(tmp_path, KESTRA_TEST1="true", KESTRA_SAME="theirs", ENV_SAME="ours")
    assert dict(settings.envs) == {"test1": "true", "same": "ours"}


def test_secrets_are_decoded_also_when_their_base64_has_line_breaks(tmp_path: Path) -> None:
    encoded = base64.b64encode(b"a long password" * 10).decode()
    settings = read(tmp_path, SECRET_MINE=encoded[:76] + "\n" + encoded[76:])
    assert settings.secret("mine") == "a long password" * 10
    assert settings.secret("other") is None


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("CELESTA_PORT", "http"),
        ("CELESTA_PORT", "0"),
        ("EXECUTOR_THREADS", "0"),
        ("QUEUE_BACKEND", "rabbit"),
        ("QUEUE_BACKEND", "kafka"),
        ("QUEUES_RETENTION", "7 days"),
        ("QUEUES_RETENTION", "P1M"),
        ("CELESTA_GLOBALS", "[1]"),
        ("CELESTA_GLOBALS", "{"),
        ("CELESTA_ENCRYPTION_KEY", "c2hvcnQ="),
        ("SECRET_X", "***"),
    ],
)
def test_a_wrong_value_is_refused_naming_its_variable(tmp_path: Path, name: str, value: str) -> None:
    with pytest.raises(ImproperlyConfigured, match=name):
        read(tmp_path, **{name: value})


def test_an_unwritable_home_is_refused_naming_the_variable_to_set(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ImproperlyConfigured, match="CELESTA_HOME"):
        read(tmp_path / "file" / "home")


def test_executors_and_workers_load_nothing_that_only_answers_requests_need() -> None:
    script = (
        "import sys, django; django.setup()\n"
        "import executor.process, executor.worker.run, executor.worker.tasks\n"
        "print(*sorted({name.partition('.')[0] for name in sys.modules}))"
    )
    variables = {**os.environ, "DJANGO_SETTINGS_MODULE": "orchestrator_site.settings", environment.ENGINE_ONLY: "1"}
    done = subprocess.run([sys.executable, "-c", script], env=variables, capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    assert {"django", "psycopg", "celery"} <= loaded
    assert loaded.isdisjoint(
        {"rest_framework", "unfold", "drf_spectacular", "channels", "django_eventstream", "holidays"}
    )


def test_a_collector_without_the_libraries_is_told_in_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    endpoint = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://localhost:4318"}
    assert not read(tmp_path).otel and read(tmp_path, **endpoint).otel
    assert not read(tmp_path, **endpoint, OTEL_SDK_DISABLED="true").otel
    monkeypatch.setattr(environment, "_has_otel", lambda: False)
    with pytest.raises(ImproperlyConfigured, match="pip install opentelemetry-sdk"):
        read(tmp_path, **endpoint)
    assert not read(tmp_path).otel


def test_audit_rows_are_kept_for_ever_or_at_least_a_day(tmp_path: Path) -> None:
    assert read(tmp_path).audit_retention is None
    assert read(tmp_path, CELESTA_AUDIT_RETENTION="P90D").audit_retention == timedelta(days=90)
    for wrong in ("PT1H", "ninety days"):
        with pytest.raises(ImproperlyConfigured, match="CELESTA_AUDIT_RETENTION"):
            read(tmp_path, CELESTA_AUDIT_RETENTION=wrong)
