"""`manage.py check_flow FILE…`: say what is wrong with flows, by line and column. Stores nothing, needs no database."""

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from flows.management.commands.import_flows import complaint, flow_files


class Command(BaseCommand):
    help = "Check flow files (or folders of them); exit code 1 when one is not valid."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("paths", nargs="+", metavar="FILE", help="a file or a folder")
        parser.add_argument("--namespace", help="for flows that name none")

    def handle(self, *args: Any, **options: Any) -> None:
        refused = 0
        for path in flow_files(options["paths"]):
            found = complaint(Path(path), path.read_text(encoding="utf-8"), options["namespace"])
            refused += found is not None
            self.stdout.write(found or f"{path}: valid")
        if refused:
            raise CommandError(f"{refused} not valid", returncode=1)
