"""Addresses of the pages about executions (and of flow pages that show them)."""

from django.urls import path, re_path

from executions.pages import acting, execute, execution, flows, home, lists, logs, system
from executions.pages.login import Login, admin_login

urlpatterns = [
    path("login", Login.as_view(), name="login"),
    path("admin/login/", admin_login),
    path("", home.home, name="home"),
    path("executions", lists.executions, name="executions"),
    path("executions/bulk", acting.bulk),
    path("executions/<str:execution_id>", execution.show, name="execution"),
    path("executions/<str:execution_id>/changes", execution.changes),
    path("executions/<str:execution_id>/runs", execution.more_runs),
    path("executions/<str:execution_id>/head", execution.head),
    path("executions/<str:execution_id>/detail", execution.detail),
    path("executions/<str:execution_id>/used", execution.used),
    path("executions/<str:execution_id>/evaluate", execution.evaluate),
    path("executions/<str:execution_id>/log", execution.log),
    path("executions/<str:execution_id>/log/download", execution.log_download),
    path("executions/<str:execution_id>/resume", acting.resume),
    path("executions/<str:execution_id>/resume/check", acting.check_resume),
    path("executions/<str:execution_id>/<str:action>", acting.act),
    path("logs", logs.logs, name="logs"),
    path("system", system.system, name="system"),
    path("system/cleanable", system.cleanable),
    path("system/<str:action>", system.act),
    path("flows", flows.flows, name="flows"),
    path("triggers", flows.triggers, name="triggers"),
    re_path(
        r"^triggers/(?P<namespace>[^/]+)/(?P<flow_id>[^/]+)/(?P<trigger_id>[^/]+)/(?P<action>enable|disable)$",
        flows.switch_trigger,
    ),
    path("ui/executions/<str:namespace>/<str:flow_id>/<str:execution_id>", execution.kestra_address),
    path(
        "ui/<str:tenant>/executions/<str:namespace>/<str:flow_id>/<str:execution_id>",
        execution.kestra_address,
    ),
    # After `flows/new` and `flows/editor/…` of the layer below, which are looked up first.
    path("flows/<str:namespace>/<str:flow_id>", flows.flow, name="flow"),
    path("flows/<str:namespace>/<str:flow_id>/execute", execute.execute),
    path("flows/<str:namespace>/<str:flow_id>/execute/check", execute.check),
]
