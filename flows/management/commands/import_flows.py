"""`manage.py import_flows PATH…`: store flows from files and folders. All are checked before the first is stored."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import transaction

from flows import catalog
from flows.definition.parse import InvalidFlow

SUFFIXES = (".yaml", ".yml")


class Command(BaseCommand):
    help = "Create or revise flows from YAML files and folders (searched for *.yaml and *.yml). All or none is stored."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("paths", nargs="+", metavar="PATH", help="a file or a folder")
        parser.add_argument("--namespace", help="for flows that name none")

    def handle(self, *args: Any, **options: Any) -> None:
        files = list(flow_files(options["paths"]))
        if not files:
            raise CommandError(f"no *.yaml or *.yml file in {', '.join(options['paths'])}")
        sources = {path: path.read_text(encoding="utf-8") for path in files}
        refused = [text for path in files if (text := complaint(path, sources[path], options["namespace"]))]
        if refused:
            raise CommandError("nothing was stored:\n" + "\n".join(refused))
        with transaction.atomic():
            for path in files:
                record = catalog.save(sources[path], options["namespace"])
                if options["verbosity"] > 0:
                    self.stdout.write(f"{record.namespace}.{record.flow_id} revision {record.revision}  {path}")


def flow_files(paths: list[str]) -> Iterator[Path]:
    """Files as given, folders searched below. Raises CommandError for what is not there."""
    for text in paths:
        path = Path(text)
        if path.is_dir():
            yield from sorted(found for found in path.rglob("*") if found.suffix in SUFFIXES and found.is_file())
        elif path.is_file():
            yield path
        else:
            raise CommandError(f"no such file or folder: {path}")


def complaint(path: Path, source: str, namespace: str | None = None) -> str | None:
    """One line per violation, `file:line:column: text`; None for a valid flow."""
    try:
        catalog.check(source, namespace)
    except InvalidFlow as error:
        return "\n".join(f"{path}:{one.line}:{one.column}: {one.text}" for one in error.errors)
    return None
