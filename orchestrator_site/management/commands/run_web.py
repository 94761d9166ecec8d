"""`manage.py run_web`: one web process (uvicorn) on CELESTA_HOST and CELESTA_PORT."""

import os
import warnings
from typing import Any

import uvicorn
from django.conf import settings
from django.core.management.base import BaseCommand


class Command(BaseCommand):
    help = "Serve pages, REST and live streams."

    def handle(self, *args: Any, **options: Any) -> None:
        # Whitenoise's files are small and read at once; Django says so for each of them.
        warnings.filterwarnings("ignore", message="StreamingHttpResponse must consume", module="django")
        # libuv's pool (4 threads otherwise) serves nothing here but the look-up of the database's name.
        os.environ.setdefault("UV_THREADPOOL_SIZE", "1")
        uvicorn.run(
            "orchestrator_site.asgi:application",
            host=settings.CELESTA.host,
            port=settings.CELESTA.port,
            lifespan="on",
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=5,  # endless streams would hold it up for ever
        )
