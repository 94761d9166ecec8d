"""`manage.py doctor`: is everything as it should be, and if not, what to do."""

import json
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from orchestrator_site import doctor
from orchestrator_site.doctor import Verdict

_COLOURS = {Verdict.OK: "SUCCESS", Verdict.WARN: "WARNING", Verdict.FAIL: "ERROR"}


class Command(BaseCommand):
    help = "Look at database, broker, processes, queues, clock, disk and settings. Exit code 1 when something fails."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--json", action="store_true", help="one JSON object per line")

    def handle(self, *args: Any, **options: Any) -> None:
        failed = 0
        for finding in doctor.examine():
            failed += finding.verdict is Verdict.FAIL
            if options["json"]:
                shown = {"subject": finding.subject, "verdict": finding.verdict.name, "text": finding.text}
                self.stdout.write(json.dumps({**shown, "remedy": finding.remedy}))
                continue
            colour = getattr(self.style, _COLOURS[finding.verdict])
            remedy = f"  →  {finding.remedy}" if finding.remedy else ""
            self.stdout.write(f"{colour(f'{finding.verdict.value:<4}')}  {finding.subject:<13} {finding.text}{remedy}")
        if failed:
            raise SystemExit(1)
