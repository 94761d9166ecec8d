"""Runs one management command with its database at hand, and turns a wrong set-up into one clear line."""

import os
import sys
from contextlib import nullcontext

from django.core.exceptions import ImproperlyConfigured

from orchestrator_site import environment, parentage, postgres, supervisor
from orchestrator_site.children import SUPERVISOR_VARIABLE

# These start no embedded PostgreSQL: they need no database, or (`up`) bring it up themselves.
WITHOUT_DATABASE = frozenset(
    {
        "", "help", "--help", "-h", "version", "--version", "check", "check_flow", "compilemessages",
        "collectstatic", "database_url", "diffsettings", "expression_hook", "makemessages", "makemigrations",
        "spectacular", "up",
    }
)  # fmt: skip
# They answer no requests; their own children (of a worker) are told by the same variable.
ENGINE = frozenset({"run_executor", "run_worker"})


def run(arguments: list[str]) -> int:
    command = arguments[1] if len(arguments) > 1 else ""
    asks_for_help = bool({"--help", "-h"} & set(arguments[2:]))
    if command == "up" and not asks_for_help:
        return supervisor.main()
    if supervisor_pid := os.environ.pop(SUPERVISOR_VARIABLE, None):
        parentage.end_with(int(supervisor_pid))
    if command in ENGINE:
        os.environ[environment.ENGINE_ONLY] = "1"
    asks_for_database = "--with-database" in arguments[2:]
    needs_database = (command not in WITHOUT_DATABASE or asks_for_database) and not asks_for_help
    try:
        with postgres.in_use() if needs_database else nullcontext():
            _run_in_django(arguments)
    except (ImproperlyConfigured, postgres.PostgresError) as error:
        print(f"celesta: {error}", file=sys.stderr)
        return 2
    return 0


def _run_in_django(arguments: list[str]) -> None:
    # Imported late: the supervisor stays in memory and does without it.
    from django.core.management import execute_from_command_line

    execute_from_command_line(arguments)
