"""What `manage.py check --deploy` says about this installation, beyond Django's own checks."""

from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Info, Tags, Warning, register

from orchestrator_site import in_force

LOOPBACK = {"127.0.0.1", "localhost", "::1"}
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
    if not celesta.encryption_keys:
        found.append(Warning("CELESTA_ENCRYPTION_KEY=none: nothing is encrypted at rest.", id="celesta.W003"))
    return found


@register(Tags.compatibility, deploy=True)
def explain(app_configs: Any, **options: Any) -> list[CheckMessage]:
    lines = in_force.lines(settings.CELESTA, settings.DATABASE_DSN)
    return [Info(line, id=f"celesta.I{number:03}") for number, line in enumerate(lines, start=1)]
