"""`manage.py clean_queues`: remove old messages now; prints what the table holds before and after."""

from datetime import timedelta
from typing import Any

import isodate
import psycopg
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from executions.queue import cleaning


class Command(BaseCommand):
    help = "Remove old stream messages from the queues table. Messages that wait to be handled are never touched."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--dry-run", action="store_true", help="say what would go, remove nothing")
        parser.add_argument("--type", help="only this type, such as execution or log")
        parser.add_argument("--older-than", metavar="D", help="ISO 8601 duration (P7D) instead of the retentions")

    def handle(self, *args: Any, **options: Any) -> None:
        age = _age(options["older_than"])
        celesta = settings.CELESTA
        rules = cleaning.rules(
            celesta.queues_retention,
            celesta.queues_retention_high_cardinality,
            only=options["type"],
            older_than=age,
        )
        with psycopg.connect(settings.DATABASE_DIRECT_DSN, autocommit=True) as connection:
            self._show("before", cleaning.sizes(connection))
            if options["dry_run"]:
                for type_name, number in sorted(cleaning.count(connection, rules).items()):
                    self.stdout.write(f"would remove {number} of {type_name}")
                return
            removed = sum(cleaning.clean(connection, rules))
            self._show("after", cleaning.sizes(connection))
            self.stdout.write(f"removed {removed}")

    def _show(self, when: str, sizes: list[cleaning.Size]) -> None:
        self.stdout.write(f"{when}: {sum(size.rows for size in sizes)} rows")
        for size in sizes:
            kind = "stream" if size.is_stream else "work"
            self.stdout.write(f"  {kind:<6} {size.type:<20} {size.rows:>10} rows {size.bytes:>14} bytes")


def _age(text: str | None) -> timedelta | None:
    if text is None:
        return None
    try:
        age = isodate.parse_duration(text)
    except (isodate.ISO8601Error, ValueError) as error:
        raise CommandError(f"--older-than: {text!r} is no ISO 8601 duration") from error
    if not isinstance(age, timedelta) or age < timedelta(0):
        raise CommandError(f"--older-than: {text!r} has no fixed length")
    return age
