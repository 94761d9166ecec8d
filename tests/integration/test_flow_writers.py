"""Two who write one flow at the same time: the second one is told, and overwrites nothing."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.db import connection, connections, transaction
from django.test import Client

from flows import catalog
from tests.integration.rest_support import FLOW, Rest, administrator
from tests.plant import eventually

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("nobody_remembered")]
FIRST, SECOND = (FLOW + f"description: {name}\n" for name in ("first", "second"))


def by_rest(rest: Rest) -> Any:
    return rest.put("flows/tests.rest/hello", SECOND, headers={"if-match": '"1"'})


def by_the_editor(rest: Rest) -> Any:
    client = Client()
    client.force_login(get_user_model().objects.get())
    return client.post("/flows/editor/save?base=1&namespace=tests.rest&id=hello", SECOND, content_type="text/plain")


def is_somebody_waiting() -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND NOT granted")
        return cursor.fetchone() is not None


@pytest.mark.parametrize(("write", "status"), [(by_rest, 412), (by_the_editor, 409)])
def test_the_second_of_two_writers_is_told(write: Callable[[Rest], Any], status: int) -> None:
    rest = Rest(administrator())
    catalog.create(FLOW)

    def second() -> Any:
        try:
            return write(rest)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(1) as threads:
        with transaction.atomic():
            catalog.revise("tests.rest", "hello", FIRST)
            answer = threads.submit(second)
            eventually(is_somebody_waiting)
        assert answer.result(20).status_code == status
    assert catalog.record("tests.rest", "hello").source == FIRST


def test_what_was_deleted_meanwhile_is_told_by_the_editor() -> None:
    rest = Rest(administrator())
    catalog.create(FLOW)
    catalog.delete("tests.rest", "hello")
    told = by_the_editor(rest)
    assert told.status_code == 409 and "deleted" in told.json()["message"]
    client = Client()
    client.force_login(get_user_model().objects.get())
    assert client.post("/flows/tests.rest/hello/restore", {"revision": "1"}).status_code == 404
