"""The tests' own database: migrated, and apart for each test that asks for a fresh one."""

import psycopg
import pytest
from django.conf import settings
from django.db import connection
from psycopg.conninfo import conninfo_to_dict


@pytest.mark.django_db
def test_django_and_psycopg_see_the_same_migrated_database() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_database(), count(*) FROM worker_jobs")
        row = cursor.fetchone()
    with psycopg.connect(settings.DATABASE_DSN) as plain:
        assert plain.execute("SELECT current_database(), count(*) FROM worker_jobs").fetchone() == row


def test_a_fresh_database_is_empty_and_not_the_shared_one(database: str, fresh_database: str) -> None:
    assert conninfo_to_dict(database)["dbname"] != conninfo_to_dict(fresh_database)["dbname"]
    with psycopg.connect(fresh_database) as plain:
        assert plain.execute("SELECT count(*) FROM executions").fetchone() == (0,)
