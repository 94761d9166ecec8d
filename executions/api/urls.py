"""The execution routes, relative to a dialect's prefix. Literal ones stand before those with a namespace."""

from typing import Any

from django.urls import URLPattern, path

from executions.api import control, executions, files, logs, misc, namespaces

E, F, N = "executions", "<str:execution_id>", "namespaces/<str:namespace>"


def _action(name: str, **more: Any) -> Any:
    return control.ActionView.as_view(action=name, **more)


def _actions() -> list[URLPattern]:
    found = []
    for name in control.ACTIONS:
        found += [
            path(f"{E}/{name}/by-ids", control.BulkByIdsView.as_view(action=name)),
            path(f"{E}/{name}/by-query", control.BulkByQueryView.as_view(action=name)),
            path(f"{E}/actions/{name}/by-ids", control.BulkByIdsView.as_view(action=name)),
            path(f"{E}/actions/{name}/by-query", control.BulkByQueryView.as_view(action=name)),
            path(f"{E}/{F}/actions/{name}", _action(name, is_newer=True)),
        ]
        found.append(path(f"{E}/{F}/{name}", _action(name)))
    return found


urlpatterns: list[URLPattern] = [
    path("configs", misc.ConfigsView.as_view()),
    path("configs/login", misc.LoginConfigsView.as_view()),
    path("usages/all", misc.UsagesView.as_view()),
    path(f"{E}/search", executions.SearchView.as_view()),
    path(f"{E}", executions.ListView.as_view()),
    path(f"{E}/latest", executions.LatestView.as_view()),
    path(f"{E}/namespaces", executions.NamespacesView.as_view()),
    path(f"{E}/by-ids", control.DeleteByIdsView.as_view()),
    path(f"{E}/by-query", control.DeleteByQueryView.as_view()),
    path(f"{E}/trigger/<str:namespace>/<str:flow_id>", executions.CreateView.as_view()),
    *_actions(),
    path(f"{E}/{F}/file", files.ExecutionFileView.as_view()),
    path(f"{E}/{F}/file/metas", files.ExecutionFileMetasView.as_view()),
    path(f"{E}/{F}/file/preview", files.ExecutionFilePreviewView.as_view()),
    path(f"{E}/{F}", executions.ExecutionView.as_view()),
    path(f"{E}/<str:namespace>/<str:flow_id>", executions.CreateView.as_view()),
    path("logs/search", logs.LogSearchView.as_view()),
    path(f"logs/{F}/download", logs.LogDownloadView.as_view()),
    path("logs/<str:namespace>/<str:flow_id>", logs.FlowLogsView.as_view()),
    path(f"logs/{F}", logs.LogsView.as_view()),
    path("metrics/names/<str:namespace>/<str:flow_id>", logs.MetricNamesView.as_view()),
    path("metrics/names/<str:namespace>/<str:flow_id>/<str:task_id>", logs.MetricNamesView.as_view()),
    path("metrics/tasks/<str:namespace>/<str:flow_id>", logs.MetricTasksView.as_view()),
    path("metrics/aggregates/<str:namespace>/<str:flow_id>/<str:metric>", logs.MetricAggregatesView.as_view()),
    path(
        "metrics/aggregates/<str:namespace>/<str:flow_id>/<str:task_id>/<str:metric>",
        logs.MetricAggregatesView.as_view(),
    ),
    path(f"metrics/{F}", logs.MetricsView.as_view()),
    path("kv", namespaces.KvAllView.as_view()),
    path("namespaces/search", namespaces.NamespaceSearchView.as_view()),
    path("namespaces/autocomplete", namespaces.NamespaceAutocompleteView.as_view()),
    path(f"{N}/kv", namespaces.KvListView.as_view()),
    path(f"{N}/kv/inheritance", namespaces.KvInheritanceView.as_view()),
    path(f"{N}/kv/<path:key>", namespaces.KvView.as_view()),
    path(f"{N}/files", files.NamespaceFilesView.as_view()),
    path(f"{N}/files/search", files.NamespaceFileSearchView.as_view()),
    path(f"{N}/files/stats", files.NamespaceFileStatsView.as_view()),
    path(f"{N}/files/directory", files.NamespaceDirectoryView.as_view()),
    path(f"{N}/files/export", files.NamespaceExportView.as_view()),
    path(N, namespaces.NamespaceView.as_view()),
]
