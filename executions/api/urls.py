"""The execution routes, relative to a dialect's prefix. Literal ones stand before those with a namespace."""

from typing import Any

from django.urls import URLPattern, path

from executions.api import (
    completion,
    control,
    dashboards,
    executions,
    files,
    inspect,
    logs,
    lookups,
    misc,
    namespaces,
    outputs,
    runs,
    secrets,
    stats,
    triggers,
    validation,
    webhooks,
)

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


def _triggers() -> list[URLPattern]:
    one = "triggers/<str:namespace>/<str:flow_id>/<str:trigger_id>"
    found = [
        path("triggers", triggers.TriggerView.as_view()),
        path("triggers/search", triggers.TriggerSearchView.as_view()),
        path("triggers/export/by-query/csv", triggers.TriggerCsvView.as_view()),
        path("triggers/set-disabled", triggers.SetDisabledView.as_view()),
        *(
            path(f"triggers/backfill/{name}", triggers.BackfillView.as_view(action=name))
            for name in ("create", "pause", "unpause", "delete")
        ),
    ]
    for name in triggers.ACTIONS:
        found += [
            path(f"triggers/{name}/by-triggers", triggers.ByTriggersView.as_view(action=name)),
            path(f"triggers/{name}/by-query", triggers.ByQueryView.as_view(action=name)),
        ]
    return [
        *found,
        path("triggers/<str:namespace>/<str:flow_id>", triggers.TriggersOfFlowView.as_view()),
        path(one, triggers.OneTriggerView.as_view()),
        path(f"{one}/unlock", triggers.OneTriggerView.as_view(action="unlock")),
        path(f"{one}/restart", triggers.OneTriggerView.as_view(action="restart")),
    ]


def _stats() -> list[URLPattern]:
    return [
        path("stats/summary", stats.SummaryView.as_view()),
        path("stats/executions/daily", stats.DailyView.as_view()),
        path("stats/executions/daily/group-by-flow", stats.ByFlowView.as_view()),
        path("stats/executions/daily/group-by-namespace", stats.ByNamespaceView.as_view()),
        path("stats/executions/latest/group-by-flow", stats.LastExecutionsView.as_view()),
        path("stats/taskruns/daily", stats.TaskRunsDailyView.as_view()),
        path("stats/logs/daily", stats.LogsDailyView.as_view()),
    ]


def _dashboards() -> list[URLPattern]:
    chart = "dashboards/<str:dashboard_id>/charts/<str:chart_id>"
    return [
        path("dashboards", dashboards.DashboardsView.as_view()),
        path("dashboards/validate", dashboards.ValidateView.as_view()),
        path("dashboards/validate/chart", dashboards.ValidateView.as_view(what="chart")),
        path("dashboards/charts/preview", dashboards.PreviewView.as_view()),
        # 1.3's address of the table and 2.0's.
        path("dashboards/charts/export/to-csv", dashboards.PreviewView.as_view(action="table")),
        path("dashboards/charts/export", dashboards.PreviewView.as_view(action="table")),
        path("dashboards/<str:dashboard_id>", dashboards.OneDashboardView.as_view()),
        path(chart, dashboards.ChartView.as_view()),
        path(f"{chart}/export/to-csv", dashboards.ChartView.as_view(action="table")),
        path(f"{chart}/export", dashboards.ChartView.as_view(action="table")),
    ]


urlpatterns: list[URLPattern] = [
    path("configs", misc.ConfigsView.as_view()),
    path("configs/login", misc.LoginConfigsView.as_view()),
    path("usages/all", misc.UsagesView.as_view()),
    path("basicAuth", misc.BasicAuthView.as_view()),
    path("basicAuthValidationErrors", misc.BasicAuthErrorsView.as_view()),
    path("taskruns/search", runs.TaskRunSearchView.as_view()),
    path("taskruns/maxTaskRunSetting", runs.TaskRunLimitView.as_view()),
    path("concurrency-limit/search", runs.ConcurrencySearchView.as_view()),
    path("concurrency-limit/<str:namespace>/<str:flow_id>", runs.ConcurrencyView.as_view()),
    *_triggers(),
    *_stats(),
    *_dashboards(),
    path(f"{E}/search", executions.SearchView.as_view()),
    path(f"{E}", executions.ListView.as_view()),
    path(f"{E}/latest", executions.LatestView.as_view()),
    path(f"{E}/namespaces", lookups.NamespacesView.as_view()),
    path(f"{E}/namespaces/<str:namespace>/flows", lookups.FlowsOfNamespaceView.as_view()),
    path(f"{E}/namespaces/<str:namespace>/flows/<str:flow_id>/average-duration", lookups.AverageDurationView.as_view()),
    path(f"{E}/flows/<str:namespace>/<str:flow_id>", lookups.FlowForExecutionView.as_view()),
    path(f"{E}/distinct-field-values", lookups.DistinctValuesView.as_view()),
    path(f"{E}/export/by-query/csv", lookups.CsvView.as_view()),
    path(f"{E}/by-ids", control.DeleteByIdsView.as_view()),
    path(f"{E}/by-query", control.DeleteByQueryView.as_view()),
    path(f"{E}/trigger/<str:namespace>/<str:flow_id>", executions.CreateView.as_view()),
    *_actions(),
    path(f"{E}/webhook/<str:namespace>/<str:flow_id>/<str:key>", webhooks.WebhookView.as_view()),
    path(f"{E}/webhook/<str:namespace>/<str:flow_id>/<str:key>/<path:path>", webhooks.WebhookView.as_view()),
    path(f"{E}/{F}/resume/validate", validation.ValidateResumeView.as_view()),
    path(f"{E}/{F}/actions/resume/validate", validation.ValidateResumeView.as_view()),
    path(f"{E}/{F}/graph", inspect.GraphView.as_view()),
    path(f"{E}/{F}/eval", inspect.EvalView.as_view()),
    path(f"{E}/{F}/actions/eval", inspect.EvalView.as_view()),
    path(f"{E}/{F}/eval/<str:task_run_id>", inspect.EvalView.as_view()),
    path(f"{E}/{F}/actions/eval/<str:task_run_id>", inspect.EvalView.as_view()),
    path(f"{E}/{F}/flow", lookups.FlowOfExecutionView.as_view()),
    path(f"{E}/{F}/file", files.ExecutionFileView.as_view()),
    path(f"{E}/{F}/file/metas", files.ExecutionFileMetasView.as_view()),
    path(f"{E}/{F}/file/preview", files.ExecutionFilePreviewView.as_view()),
    path(f"{E}/{F}", executions.ExecutionView.as_view()),
    path(f"{E}/<str:namespace>/<str:flow_id>/validate", validation.ValidateCreateView.as_view()),
    path(f"{E}/<str:namespace>/<str:flow_id>", executions.CreateView.as_view()),
    path(f"outputs/executions/{F}", outputs.ExecutionOutputsView.as_view()),
    path(f"outputs/tasks/{F}", outputs.TaskOutputsView.as_view()),
    path(f"outputs/tasks/{F}/<str:task_run_id>", outputs.TaskRunOutputsView.as_view()),
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
    path("flows/expressions", completion.ExpressionsView.as_view()),
    path("kv", namespaces.KvAllView.as_view()),
    path("namespaces/search", namespaces.NamespaceSearchView.as_view()),
    path("namespaces/autocomplete", namespaces.NamespaceAutocompleteView.as_view()),
    path(f"{N}/kv", namespaces.KvListView.as_view()),
    path(f"{N}/kv/inheritance", namespaces.KvInheritanceView.as_view()),
    path(f"{N}/kv/<path:key>", namespaces.KvView.as_view()),
    path("secrets", secrets.SecretsView.as_view()),
    path(f"{N}/secrets", secrets.NamespaceSecretsView.as_view()),
    path(f"{N}/inherited-secrets", secrets.InheritedSecretsView.as_view()),
    path(f"{N}/files", files.NamespaceFilesView.as_view()),
    path(f"{N}/files/search", files.NamespaceFileSearchView.as_view()),
    path(f"{N}/files/revisions", files.NamespaceFileRevisionsView.as_view()),
    path(f"{N}/files/stats", files.NamespaceFileStatsView.as_view()),
    path(f"{N}/files/directory", files.NamespaceDirectoryView.as_view()),
    path(f"{N}/files/export", files.NamespaceExportView.as_view()),
    path(N, namespaces.NamespaceView.as_view()),
]
