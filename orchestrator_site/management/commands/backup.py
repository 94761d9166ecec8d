"""`manage.py backup FILE`: database, stored files and keys in one tar file."""

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from orchestrator_site import backup


class Command(BaseCommand):
    help = "Write database, stored files and keys to one tar file; the product may run meanwhile."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", metavar="FILE", type=Path, help="must not exist yet")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            backup.save(options["file"].absolute(), self.stdout.write)
        except backup.BackupError as error:
            raise CommandError(str(error)) from None
