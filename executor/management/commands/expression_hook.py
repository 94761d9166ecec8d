"""`manage.py expression_hook`: renders expressions line by line over JSON, for outside tools that judge them.

The set-ups (storage, logs, secret, flow_context, task_run) go through the product's own code; only then a database is asked.
"""

import sys
import tempfile
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

import orjson
from django.core.management.base import BaseCommand

from executor.expression_hook import PROVIDES, Hook

Json = Any


class Command(BaseCommand):
    help = "Answer rendering requests, one JSON object per line, on standard input and output."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--recursive", action="store_true", help="render results again until nothing changes")
        parser.add_argument(
            "--with-database", action="store_true", help="start the embedded PostgreSQL for log set-ups"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        with tempfile.TemporaryDirectory(prefix="celesta-hook-") as folder:
            hook = Hook(Path(folder), recursive=bool(options["recursive"]), prepares=bool(options["with_database"]))
            for line in sys.stdin:
                if line.strip():
                    answer = self._answer(hook, line)
                    sys.stdout.write(orjson.dumps(answer, default=str).decode() + "\n")
                    sys.stdout.flush()
            hook.close()

    def _answer(self, hook: Hook, line: str) -> dict[str, Json]:
        try:
            request = orjson.loads(line)
        except orjson.JSONDecodeError as error:
            return {"id": None, "ok": False, "error": f"not JSON: {error}"}
        if not isinstance(request, dict):
            return {"id": None, "ok": False, "error": "not a JSON object"}
        if "hello" in request:
            hook.warm_up()
            return {"hello": 1, "provides": list(PROVIDES)}
        return {"id": request.get("id"), **hook.answer(request)}
