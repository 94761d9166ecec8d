"""`manage.py restore FILE`: put back what `manage.py backup` wrote."""

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import connections

from orchestrator_site import backup


class Command(BaseCommand):
    help = "Replace database, stored files and keys by those of a backup. Nothing of Celesta may run meanwhile."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", metavar="FILE", type=Path)
        parser.add_argument("--yes", action="store_true", help="do not ask: what is there now is lost")

    def handle(self, *args: Any, **options: Any) -> None:
        if not options["yes"] and not _agreed():
            raise CommandError("nothing was changed")
        connections.close_all()
        try:
            backup.load(options["file"].absolute(), self.stdout.write)
        except backup.BackupError as error:
            raise CommandError(str(error)) from None


def _agreed() -> bool:
    try:
        return input("This replaces all that is there now. Go on? [y/N] ").strip().lower() == "y"
    except EOFError:  # nobody to ask
        return False
