"""`manage.py dead_letters`: list messages whose handling failed for good, drive them again or drop them."""

from typing import Any

import psycopg
from django.conf import settings
from django.core.management.base import BaseCommand, CommandParser

from executions.models import DeadLetter
from executions.queue import postgres as queue


class Command(BaseCommand):
    help = "List parked messages; with --redrive or --drop (ids, or all) act on them."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--redrive", nargs="+", metavar="ID", help="publish them once more")
        parser.add_argument("--drop", nargs="+", metavar="ID", help="delete them")
        parser.add_argument("--verbose", action="store_true", help="with tracebacks")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["redrive"]:
            with psycopg.connect(settings.DATABASE_DIRECT_DSN) as connection:
                done = queue.redrive(connection, self._ids(options["redrive"]))
                queue.notify(connection, queue.WORK)
            self.stdout.write(f"published {done} again")
        elif options["drop"]:
            done, _ = DeadLetter.objects.filter(pk__in=self._ids(options["drop"])).delete()
            self.stdout.write(f"dropped {done}")
        else:
            self._list(options["verbose"])

    def _ids(self, texts: list[str]) -> list[int]:
        if texts == ["all"]:
            return list(DeadLetter.objects.values_list("pk", flat=True))
        return [int(text) for text in texts]

    def _list(self, verbose: bool) -> None:
        for letter in DeadLetter.objects.order_by("id").iterator():
            last = (letter.error.strip().splitlines() or [""])[-1]
            self.stdout.write(
                f"{letter.pk} {letter.parked:%Y-%m-%d %H:%M:%S} {letter.type} {letter.execution_id} {last}"
            )
            if verbose:
                self.stdout.write(letter.error)
        self.stdout.write(f"{DeadLetter.objects.count()} dead letters")
