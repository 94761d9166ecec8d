"""Fixtures of the acceptance tests: the browser, and the whole product as processes for a module's tests."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.acceptance.browser_support import browser, cookies, page, playwright, refusals, site
from tests.plant import Plant, django_on, find_free_port

__all__ = ["browser", "cookies", "page", "playwright", "product", "refusals", "site"]


@pytest.fixture(scope="module")
def product(module_database: str, tmp_path_factory: pytest.TempPathFactory, django_db_blocker: Any) -> Iterator[Plant]:
    """Executor, worker and web process on a database of their own; ready, with the example flows."""
    from django.core.management import call_command

    with django_db_blocker.unblock(), django_on(module_database):
        plant = Plant(module_database, tmp_path_factory.mktemp("product"))
        call_command("import_flows", "flows/examples", verbosity=0)
        started = [plant.executor(), plant.worker()]
        plant.web(find_free_port())
        for process in started:
            process.wait_until_ready()
        yield plant
        plant.end()
