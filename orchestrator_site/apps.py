"""Makes the site an installed app, for its management commands and system checks."""

from importlib import import_module

from django.apps import AppConfig


class OrchestratorSiteConfig(AppConfig):
    name = "orchestrator_site"
    verbose_name = "Celesta"

    def ready(self) -> None:
        import_module("orchestrator_site.checks")
