"""The Celery application. Settings come from Django's settings under the `CELERY_` prefix."""

import os

import django
import orjson
from celery import Celery
from kombu.serialization import register
from kombu.transport import TRANSPORT_ALIASES

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "orchestrator_site.settings")

# Before the task is imported: it needs models and settings. Harmless when Django is up already.
django.setup()

# Jobs straight from the table `worker_jobs`: the default broker.
TRANSPORT_ALIASES["celesta"] = "executor.worker.transport:Transport"
# One JSON codec everywhere.
register("json", lambda value: orjson.dumps(value).decode(), orjson.loads, "application/json", "utf-8")

# Without Celery's own Django fixup: it loads every URL and closes connections after each message.
app = Celery("celesta", set_as_current=True, fixups=[])
app.config_from_object("django.conf:settings", namespace="CELERY")
app.conf.imports = ("executor.worker.tasks",)
