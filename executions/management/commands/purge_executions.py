"""`manage.py purge_executions`: remove ended executions by the rules of CELESTA_RETENTION or by those given here."""

from typing import Any

import psycopg
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from executions import purging, retention
from executions.storage.site import current as current_storage


class Command(BaseCommand):
    help = (
        "Remove ended executions with their logs, metrics and files. Without --older-than: what the rules of "
        "CELESTA_RETENTION give up. Executions that have not ended are never touched."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--dry-run", action="store_true", help="say what would go, remove nothing")
        parser.add_argument("--older-than", metavar="D", help="ISO 8601 duration since the end, such as P30D")
        parser.add_argument("--namespace", default="", help="only this one and those below it")
        parser.add_argument("--flow", default="", help="only this flow")
        parser.add_argument("--state", action="append", default=[], help="only this end state; may be repeated")
        parser.add_argument(
            "--only", choices=retention.PARTS, default="executions", help="keep the executions, remove a part of them"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        rules = _rules(options)
        if not rules:
            raise CommandError("nothing is given up: set CELESTA_RETENTION, or give --older-than")
        total = purging.Tally()
        with psycopg.connect(settings.DATABASE_DIRECT_DSN, autocommit=True) as connection:
            for _, gone in purging.apply(connection, current_storage(), rules, dry_run=options["dry_run"]):
                total.add(gone)
                if options["verbosity"] > 1:
                    self.stdout.write(f"  {total.executions} executions, {total.bytes:,} bytes so far")
        would = "would remove" if options["dry_run"] else "removed"
        self.stdout.write(
            f"{would} {total.executions} executions, {total.task_runs} task runs, {total.logs} log lines, "
            f"{total.metrics} metrics, {total.files} files; {total.bytes:,} bytes in the database"
        )


def _rules(options: dict[str, Any]) -> tuple[retention.Rule, ...]:
    if options["older_than"] is None:
        if options["namespace"] or options["flow"] or options["state"]:
            raise CommandError("--namespace, --flow and --state go with --older-than")
        found: tuple[retention.Rule, ...] = settings.CELESTA.retention
        return found
    rule = {
        "namespace": options["namespace"],
        "flowId": options["flow"],
        "states": options["state"],
        options["only"]: options["older_than"],
    }
    try:
        return retention.read([rule])
    except retention.InvalidRetention as error:
        raise CommandError(str(error).replace("rule 1: ", "")) from error
