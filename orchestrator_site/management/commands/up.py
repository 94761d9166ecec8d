"""`manage.py up`: everything on one machine, in the foreground. The work is the supervisor's."""

import sys
from typing import Any

from django.core.management.base import BaseCommand

from orchestrator_site import supervisor


class Command(BaseCommand):
    help = "Start PostgreSQL (unless DATABASE_URL is set), executor, worker and web; stop them on Ctrl-C."

    def handle(self, *args: Any, **options: Any) -> None:
        sys.exit(supervisor.main())
