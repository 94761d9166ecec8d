"""How the administration looks: its name, colours, and the pages in its side bar. Read by the settings, so it imports no model."""

from functools import partial
from importlib import import_module
from typing import Any

from django.apps import apps
from django.http import HttpRequest
from django.urls import reverse_lazy

_PAGES = (
    ("Flows and executions", ("flows_flowrecord", "executions_executionrecord",
                              "executions_triggerrecord", "executions_keyvalue", "executions_secretrecord")),
    ("Machinery", ("executions_queuemessage", "executions_deadletter", "executions_workerjob",
                   "executions_serviceinstance", "executions_concurrencyslot")),
    ("People", ("auth_user", "auth_group", "executions_apitoken", "executions_auditrecord")),
)  # fmt: skip
_NAMES = {
    "flowrecord": ("Flows", "account_tree"), "executionrecord": ("Executions", "play_circle"),
    "triggerrecord": ("Triggers", "schedule"), "keyvalue": ("Key-values", "key"), "secretrecord": ("Secrets", "lock"),
    "queuemessage": ("Queues", "inbox"), "deadletter": ("Dead letters", "mail_off"), "workerjob": ("Work in flight", "bolt"),
    "serviceinstance": ("Processes", "memory"), "concurrencyslot": ("Concurrency", "stacks"), "user": ("Users", "person"),
    "group": ("Groups and rights", "group"), "apitoken": ("API tokens", "token"), "auditrecord": ("Audit", "history"),
}  # fmt: skip


def _entry(name: str) -> dict[str, Any]:
    app, _, model = name.partition("_")
    title, icon = _NAMES[model]
    return {
        "title": title,
        "icon": icon,
        "link": reverse_lazy(f"admin:{name}_changelist"),
        "permission": partial(_may_see, app, model),
    }


def _may_see(app: str, model: str, request: HttpRequest) -> bool:
    """Asked of the model's own administration, which knows rights by namespace."""
    site = import_module("django.contrib.admin").site
    found: bool = site.get_model_admin(apps.get_model(app, model)).has_module_permission(request)
    return found


UNFOLD: dict[str, Any] = {
    "SITE_TITLE": "Celesta administration",
    "SITE_HEADER": "Celesta",
    "SITE_SUBHEADER": "administration",
    "SITE_URL": "/",
    "SITE_ICON": "/static/site/icon.svg",
    "SITE_FAVICONS": [{"rel": "icon", "type": "image/svg+xml", "href": "/static/site/icon.svg"}],
    "SHOW_VIEW_ON_SITE": False,
    "STYLES": ["/static/site/admin.css"],
    "COLORS": {
        "primary": {
            "50": "#eef7fa", "100": "#d6ecf2", "200": "#aedbe6", "300": "#7cc4d6", "400": "#42a5bd", "500": "#2596b2",
            "600": "#0b6880", "700": "#0a586d", "800": "#0c495a", "900": "#0e3d4b", "950": "#06222a",
        }
    },
    "SIDEBAR": {
        "show_search": True,
        "navigation": [
            {"title": title, "separator": True, "items": [_entry(name) for name in names]}
            for title, names in _PAGES
        ],
    },
}  # fmt: skip
