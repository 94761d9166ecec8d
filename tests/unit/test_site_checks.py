"""`check --deploy` and the start-up log: what is in force, what is dangerous, and no secret in either."""

from dataclasses import replace

import pytest
from django.conf import settings
from pytest_django import Settings

from orchestrator_site import checks, environment, in_force


def found(settings: Settings, **changes: object) -> set[str | None]:
    settings.CELESTA = replace(settings.CELESTA, **changes)
    return {message.id for message in checks.check_exposure(None)}


def test_a_loopback_installation_has_nothing_to_warn_of(settings: Settings) -> None:
    assert found(settings) == set()


def test_an_open_address_without_tls_is_warned_of(settings: Settings) -> None:
    assert found(settings, host="0.0.0.0") == {"celesta.W001"}


def test_an_open_address_behind_a_tls_proxy_is_fine(settings: Settings) -> None:
    assert found(settings, host="0.0.0.0", public_url="https://flows.example.com") == set()


def test_missing_encryption_is_warned_of(settings: Settings) -> None:
    assert found(settings, encryption_keys=()) == {"celesta.W003"}


def test_a_short_secret_key_is_warned_of(settings: Settings) -> None:
    settings.SECRET_KEY = "short"
    assert found(settings) == {"celesta.W002"}


def test_the_lines_name_what_is_in_force_without_any_secret(monkeypatch: pytest.MonkeyPatch, tmp_path: object) -> None:
    celesta = environment.read(
        {
            "CELESTA_HOME": str(tmp_path),
            "CELERY_BROKER_URL": "amqp://user:broker-secret@rabbit:5672//",
            "SECRET_X": "c2VjcmV0",
            "CELESTA_ADMIN_PASSWORD": "admin-secret",
            "EXECUTOR_THREADS": "3",
        }
    )
    text = "\n".join(in_force.lines(celesta, "host=db port=5433 user=me password=db-secret dbname=flows"))
    assert "'flows' at db:5433 as me" in text and "rabbit:5672" in text and "3 loop(s)" in text
    assert "secret@" not in text and "-secret" not in text and celesta.secret_key not in text
    assert settings.SECRET_KEY not in text
