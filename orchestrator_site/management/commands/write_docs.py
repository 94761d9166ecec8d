"""`manage.py write_docs`: the documents that are made from the code; `--check` says whether they are up to date."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from orchestrator_site import documents


class Command(BaseCommand):
    help = "Write docs/kestra_compatibility.md and docs/state_machine.md."
    requires_system_checks = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--check", action="store_true", help="write nothing; fail when a document is outdated")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["check"]:
            outdated = documents.outdated()
            if outdated:
                raise CommandError(f"outdated, run `make docs`: {', '.join(outdated)}")
            return
        for name in documents.write():
            self.stdout.write(f"docs/{name}")
