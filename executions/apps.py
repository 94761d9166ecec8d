"""The Django app `executions`."""

from importlib import import_module

from django.apps import AppConfig


class ExecutionsConfig(AppConfig):
    name = "executions"

    def ready(self) -> None:
        import_module("executions.trigger_rows")  # listens to saved flows
        from executions import codec, encryption

        codec.seal_with(encryption.sealed)
