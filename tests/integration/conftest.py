"""Fixtures of the REST tests. Imports stand inside: this file is read before Django is set up."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.integration.rest_support import Rest


@pytest.fixture
def nobody_remembered(settings: Any) -> Iterator[None]:
    """Callers are remembered for a second: not from one test to the next. Passwords cost nothing here."""
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    from executions.api import auth
    from flows import access

    auth.forget()
    access.forget()
    yield
    auth.forget()
    access.forget()


@pytest.fixture
def admin(db: None, nobody_remembered: None) -> "Rest":
    from tests.integration.rest_support import Rest, administrator

    return Rest(administrator())
