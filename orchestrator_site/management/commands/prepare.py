"""`manage.py prepare`: migrations, administrator, example flows: to be done before processes start."""

import json
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandParser
from django.db import connection

from orchestrator_site import first_start

# Any number: two machines that start together must not migrate at the same time.
MIGRATION_LOCK = 7_208_311_945


class Command(BaseCommand):
    help = "Apply migrations; on a new database also make the administrator and load the example flows."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--json", action="store_true", help="print what was done as one JSON object")

    def handle(self, *args: Any, **options: Any) -> None:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_lock(%s)", [MIGRATION_LOCK])
        call_command("migrate", verbosity=0, interactive=False)
        password = first_start.ensure_administrator()
        loaded = first_start.load_examples()
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_unlock(%s)", [MIGRATION_LOCK])
        username = settings.CELESTA.admin_username
        if options["json"]:
            outcome = {"username": username, "password": password, "first_start": loaded}
            self.stdout.write(json.dumps(outcome))
            return
        self.stdout.write("The database is up to date.")
        if password is not None:
            self.stdout.write(f"Administrator {username!r}, password {password!r} (shown this once)")
        if loaded:
            self.stdout.write(f"Example flows were loaded from {first_start.EXAMPLES.name}/")
