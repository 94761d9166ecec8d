"""Runs one management command with its database at hand, and turns a wrong set-up into one clear line."""

import sys
from contextlib import nullcontext

from django.core.exceptions import ImproperlyConfigured
from django.core.management import execute_from_command_line

from orchestrator_site import postgres

# These start no embedded PostgreSQL: they need no database, or (`up`) bring it up themselves.
WITHOUT_DATABASE = frozenset(
    {
        "", "help", "--help", "-h", "version", "--version", "check", "check_flow", "compilemessages",
        "collectstatic", "database_url", "diffsettings", "expression_hook", "makemessages", "makemigrations",
        "spectacular",
        "up",
    }
)  # fmt: skip


def run(arguments: list[str]) -> int:
    command = arguments[1] if len(arguments) > 1 else ""
    needs_database = command not in WITHOUT_DATABASE and not {"--help", "-h"} & set(arguments[2:])
    try:
        with postgres.in_use() if needs_database else nullcontext():
            execute_from_command_line(arguments)
    except (ImproperlyConfigured, postgres.PostgresError) as error:
        print(f"celesta: {error}", file=sys.stderr)
        return 2
    return 0
