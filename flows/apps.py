"""The Django app `flows`."""

from django.apps import AppConfig


class FlowsConfig(AppConfig):
    name = "flows"
