"""Makes the site an installed app, for its management commands and system checks."""

from django.apps import AppConfig


class OrchestratorSiteConfig(AppConfig):
    name = "orchestrator_site"
    verbose_name = "Celesta"
