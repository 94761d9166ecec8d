"""`manage.py check_invariants`: looks whether everything stored is as it must be, also in production: it only reads."""

import sys
from typing import Any

import isodate
import psycopg
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from executions import invariants


class Command(BaseCommand):
    help = "Check states, histories, attempts, left-over and stuck work in the database. Exit code 1 when something is wrong."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--since", default="P1D", metavar="D", help="how far back (ISO 8601 duration, P1D)")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            since = isodate.parse_duration(options["since"]).total_seconds()
        except (isodate.ISO8601Error, ValueError, AttributeError) as error:
            raise CommandError(f"--since: {options['since']!r} is no ISO 8601 duration of a fixed length") from error
        with psycopg.connect(settings.DATABASE_DIRECT_DSN, autocommit=True) as connection:
            connection.execute("SET default_transaction_read_only = on")
            found = list(invariants.violations(connection, since))
        for rule, meaning in invariants.RULES.items():
            mine = [violation for violation in found if violation.rule == rule]
            self.stdout.write(
                f"{'ok  ' if not mine else 'FAIL'} {meaning}{f' ({len(mine)} times not)' if mine else ''}"
            )
            for violation in mine:
                self.stdout.write(f"     {violation}")
        if found:
            sys.exit(1)
