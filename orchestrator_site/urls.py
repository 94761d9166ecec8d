"""Every address of the site: health, admin, Kestra's API in its dialects, and the pages of the apps below."""

from importlib.util import find_spec

from django.contrib import admin
from django.contrib.auth.views import LogoutView
from django.urls import URLPattern, URLResolver, include, path, re_path

from orchestrator_site import health, metrics, openapi, unknown

TENANT = "main"


def _brought_by(prefixes: tuple[str, ...], *modules: str) -> list[URLPattern | URLResolver]:
    return [
        path(prefix, include(module))
        for prefix in prefixes
        for module in modules
        if find_spec(module.rpartition(".")[0]) and find_spec(module)
    ]


urlpatterns = [
    path("health", health.health, name="health"),
    path("ready", health.ready, name="ready"),
    path("metrics", metrics.MetricsView.as_view(), name="metrics"),
    path("logout", LogoutView.as_view(), name="logout"),
    path("api", openapi.explorer, name="api"),
    path("api/schema", openapi.SchemaView.as_view(), name="schema"),
    # The tenant's dialect first: a namespace or flow may be called `main` too.
    *_brought_by((f"api/v1/{TENANT}/", "api/v1/"), "executions.api.urls", "flows.api.urls"),
    re_path("^api/.*$", unknown.UnknownView.as_view()),
    *_brought_by(("",), "flows.pages.urls", "executions.pages.urls"),
    path("admin/", admin.site.urls),  # after the pages: these answer its login
]
