"""What `manage.py check --deploy` says about this installation, beyond Django's own checks."""

from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Info, Tags, Warning, register

LOOPBACK = {"127.0.0.1", "localhost", "::1"}
# TLS, HSTS and redirects are the proxy's business; these of Django's checks would only repeat it.
SHORTEST_SECRET_KEY = 32


@register(Tags.security, deploy=True)
def check_exposure(app_configs: Any, **options: Any) -> list[CheckMessage]:
    celesta = settings.CELESTA
    found: list[CheckMessage] = []
    if celesta.host not in LOOPBACK and not celesta.public_url.startswith("https://"):
        found.append(
            Warning(
                f"CELESTA_HOST={celesta.host} is reachable from outside and CELESTA_PUBLIC_URL is not https.",
                hint="Put a proxy with TLS in front and set CELESTA_PUBLIC_URL to its address.",
                id="celesta.W001",
            )
        )
    if len(settings.SECRET_KEY) < SHORTEST_SECRET_KEY:
        found.append(
            Warning(
                "CELESTA_SECRET_KEY is short.",
                hint=f"Use {SHORTEST_SECRET_KEY} random characters or more, or leave it out.",
                id="celesta.W002",
            )
        )
    if celesta.encryption_key is None:
        found.append(Warning("CELESTA_ENCRYPTION_KEY=none: nothing is encrypted at rest.", id="celesta.W003"))
    return found


@register(Tags.compatibility, deploy=True)
def explain(app_configs: Any, **options: Any) -> list[CheckMessage]:
    return [Info(line, id=f"celesta.I{number:03}") for number, line in enumerate(in_force(), start=1)]


def in_force() -> list[str]:
    """The settings in force, one line each, without secrets; also what the start-up log says."""
    celesta = settings.CELESTA
    database = settings.DATABASES["default"]
    port = database["PORT"] or 5432
    broker = "PostgreSQL" if celesta.broker_url is None else celesta.broker_url.split("@")[-1]
    return [
        f"home {celesta.home}; address {celesta.public_url}; listens on {celesta.host}:{celesta.port}",
        f"database {database['NAME']} at {database['HOST'] or 'the local socket'}:{port}; "
        f"Celery broker: {broker}; queues on {celesta.queue_backend}",
        f"executor: {celesta.executor_threads} loop(s), poll {celesta.executor_poll_ms} ms; "
        f"worker: {celesta.worker_concurrency} {celesta.worker_pool}",
        f"queue messages are kept {celesta.queues_retention} (logs, metrics and audit "
        f"{celesta.queues_retention_high_cardinality}), cleaned every {celesta.queues_clean_interval}",
        f"secrets: {len(celesta.secrets)}; environment of flows: {len(celesta.envs)}; "
        f"task modules: {', '.join(celesta.task_modules) or 'none'}",
    ]
