"""`manage.py database_url`: the address of the database in use, for psql, pg_dump and other tools."""

from typing import Any

from django.core.management.base import BaseCommand

from orchestrator_site import postgres


class Command(BaseCommand):
    help = "Print the address of the database in use (with its password)."
    requires_system_checks = []

    def handle(self, *args: Any, **options: Any) -> None:
        self.stdout.write(postgres.url())
