"""The Celery application. Settings come from Django's settings under the `CELERY_` prefix."""

import os

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "orchestrator_site.settings")

app = Celery("celesta", set_as_current=True)
app.config_from_object("django.conf:settings", namespace="CELERY")
