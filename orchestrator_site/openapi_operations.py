"""What each view of the REST API takes and gives, by names of `openapi_parts`. Facts only."""

from dataclasses import dataclass, field, replace


@dataclass(frozen=True, slots=True)
class Operation:
    """`query` names parameters; `body` and `answer` are keys of BODIES and ANSWERS; `by` differs by method or action."""

    query: str = ""
    body: str = ""
    answer: str = "any"
    status: int = 200
    by: dict[str, "Operation"] = field(default_factory=dict)

    def of(self, method: str, action: str) -> "Operation":
        found = self.by.get(f"{method} {action}") or self.by.get(action) or self.by.get(method)
        return found or replace(self, by={})


# --- operations, by view (and layer where two have one name)

_PAGE = "page size sort"
_EXECUTIONS = "q scope namespace flowId startDate endDate timeRange state labels triggerExecutionId childFilter filters"
_LOGS = "minLevel taskId taskRunId attempt filters"
_FLOWS = "q scope namespace labels filters"
_DELETED = "deleteLogs deleteMetrics deleteStorage"
_NOTHING = Operation(answer="nothing", status=204)
_CHANGE = Operation(answer="Execution")
# Views that answer to more methods than Kestra has.
METHODS: dict[str, set[str]] = {
    "inspect.EvalView": {"POST"},
    "control.ActionView": {"POST"},
    "control.ActionView kill": {"DELETE"},
    "control.BulkByIdsView": {"POST"},
    "control.BulkByIdsView kill": {"DELETE"},
    "control.BulkByQueryView": {"POST"},
    "control.BulkByQueryView kill": {"DELETE"},
    "triggers.ByTriggersView": {"POST"},
    "triggers.ByTriggersView delete": {"DELETE"},
    "triggers.ByQueryView": {"POST"},
    "triggers.ByQueryView delete": {"DELETE"},
    "triggers.OneTriggerView": {"DELETE"},
    "triggers.OneTriggerView unlock": {"POST"},
    "triggers.OneTriggerView restart": {"POST"},
    "triggers.BackfillView": {"PUT"},
    "triggers.BackfillView delete": {"POST"},
}
OPERATIONS: dict[str, Operation] = {
    "executions.SearchView": Operation(f"{_PAGE} {_EXECUTIONS}", answer="page of Execution"),
    "executions.ListView": Operation("namespace flowId page size", answer="page of Execution"),
    "executions.executions.CreateView": Operation("labels wait revision scheduleDate kind", "inputs", "Execution"),
    "executions.ExecutionView": Operation(
        answer="Execution", by={"DELETE": Operation(_DELETED, answer="nothing", status=204)}
    ),
    "executions.LatestView": Operation("", "flow keys", "maps"),
    "lookups.NamespacesView": Operation(answer="texts"),
    "executions.lookups.FlowsOfNamespaceView": Operation(answer="Flow[]"),
    "lookups.AverageDurationView": Operation(answer="map"),
    "lookups.FlowForExecutionView": Operation("revision", answer="Flow"),
    "lookups.FlowOfExecutionView": Operation(answer="Flow"),
    "lookups.DistinctValuesView": Operation(f"field size {_EXECUTIONS}", answer="texts"),
    "lookups.CsvView": Operation(_EXECUTIONS, answer="csv"),
    "control.ActionView": Operation(
        answer="Execution",
        by={
            "kill": Operation("isOnKillCascade", answer="nothing", status=202),
            "pause": Operation(answer="nothing", status=204),
            "resume": Operation("", "inputs", "nothing", 204),
            "restart": Operation("revision", answer="Execution"),
            "replay": Operation("taskRunId revision", answer="Execution"),
            "replay-with-inputs": Operation("taskRunId revision", "inputs", "Execution"),
            "change-status": Operation("status", answer="Execution"),
            "labels": Operation("", "labels", "Execution"),
            "state": Operation("", "state", "Execution"),
        },
    ),
    "control.BulkByIdsView": Operation(
        "",
        "ids",
        "count",
        by={
            "change-status": Operation("newStatus", "ids", "count"),
            "labels": Operation("", "labels by ids", "count"),
            "state": Operation("", "state", "count"),
        },
    ),
    "control.BulkByQueryView": Operation(
        _EXECUTIONS,
        answer="count",
        by={
            "change-status": Operation(f"newStatus {_EXECUTIONS}", answer="count"),
            "labels": Operation(_EXECUTIONS, "labels", "count"),
            "state": Operation(_EXECUTIONS, "state", "count"),
        },
    ),
    "control.DeleteByIdsView": Operation(f"includeNonTerminated {_DELETED}", "ids", "count"),
    "control.DeleteByQueryView": Operation(f"includeNonTerminated {_DELETED} {_EXECUTIONS}", answer="count"),
    "files.ExecutionFileView": Operation("path", answer="bytes"),
    "files.ExecutionFileMetasView": Operation("path", answer="map"),
    "files.ExecutionFilePreviewView": Operation("path maxRows encoding", answer="map"),
    "outputs.ExecutionOutputsView": Operation(answer="map"),
    "outputs.TaskOutputsView": Operation(answer="maps"),
    "outputs.TaskRunOutputsView": Operation(answer="map"),
    "runs.TaskRunSearchView": Operation(f"{_PAGE} {_EXECUTIONS}", answer="page of TaskRun"),
    "runs.TaskRunLimitView": Operation(answer="number"),
    "runs.ConcurrencySearchView": Operation("page size", answer="page"),
    "logs.LogSearchView": Operation(
        f"{_PAGE} q namespace flowId triggerId minLevel startDate endDate filters", answer="page of LogEntry"
    ),
    "logs.LogsView": Operation(_LOGS, answer="LogEntry[]", by={"DELETE": Operation(_LOGS, answer="nothing")}),
    "logs.LogDownloadView": Operation(_LOGS, answer="text"),
    "logs.FlowLogsView": Operation("triggerId", answer="nothing"),
    "logs.MetricsView": Operation(f"{_PAGE} taskId taskRunId", answer="page of MetricEntry"),
    "logs.MetricNamesView": Operation(answer="texts"),
    "logs.MetricTasksView": Operation(answer="texts"),
    "logs.MetricAggregatesView": Operation("startDate endDate aggregation", answer="map"),
    "triggers.TriggerView": Operation("", "trigger", "Trigger"),
    "triggers.TriggerSearchView": Operation(f"{_PAGE} q namespace flowId filters", answer="page of Trigger"),
    "triggers.TriggersOfFlowView": Operation(f"{_PAGE} q", answer="page of Trigger"),
    "triggers.TriggerCsvView": Operation("q namespace flowId filters", answer="csv"),
    "triggers.SetDisabledView": Operation("", "trigger", "Trigger"),
    "triggers.OneTriggerView": Operation(answer="Trigger", by={"DELETE": _NOTHING}),
    "triggers.BackfillView": Operation("", "trigger", "Trigger"),
    "triggers.ByTriggersView": Operation(
        "", "triggers", "count", by={"set-disabled": Operation("", "triggers and switch", "count")}
    ),
    "triggers.ByQueryView": Operation(
        "q namespace filters",
        answer="count",
        by={"set-disabled": Operation("q namespace filters disabled", "", "count")},
    ),
    **{
        f"stats.{name}": Operation("", "span", "any")
        for name in [
            "SummaryView",
            "DailyView",
            "ByFlowView",
            "ByNamespaceView",
            "LastExecutionsView",
            "TaskRunsDailyView",
            "LogsDailyView",
        ]
    },
    "dashboards.DashboardsView": Operation(
        f"{_PAGE} q", answer="page of Dashboard", by={"POST": Operation("", "dashboard", "Dashboard")}
    ),
    "dashboards.OneDashboardView": Operation(
        answer="Dashboard", by={"PUT": Operation("", "dashboard", "Dashboard"), "DELETE": _NOTHING}
    ),
    "dashboards.ValidateView": Operation("", "dashboard", "Validation"),
    "dashboards.ChartView": Operation("", "window", "page", by={"table": Operation("", "window", "csv")}),
    "dashboards.PreviewView": Operation("", "preview", "page", by={"table": Operation("", "preview", "csv")}),
    "plugins.PropertiesView": Operation(answer="map"),
    "misc.ConfigsView": Operation(answer="map"),
    "misc.BasicAuthView": Operation("", "password", "nothing", 204),
    "namespaces.KvAllView": Operation(f"{_PAGE} q namespace", answer="page of KeyValueEntry"),
    "namespaces.KvListView": Operation(answer="KeyValueEntry[]", by={"DELETE": Operation("", "keys", "map")}),
    "namespaces.KvInheritanceView": Operation(answer="KeyValueEntry[]"),
    "namespaces.KvView": Operation(
        answer="map", by={"PUT": Operation("", "value", "nothing"), "DELETE": Operation(answer="switch")}
    ),
    "namespaces.NamespaceSearchView": Operation(f"{_PAGE} q existing", answer="page"),
    "namespaces.NamespaceAutocompleteView": Operation("", "words", "texts"),
    "secrets.SecretsView": Operation(f"{_PAGE} q namespace filters", answer="page"),
    "secrets.NamespaceSecretsView": Operation(f"{_PAGE} q filters", answer="page"),
    "secrets.InheritedSecretsView": Operation(answer="map"),
    "namespaces.NamespaceView": Operation(answer="map"),
    "files.NamespaceFilesView": Operation(
        "path revision",
        answer="bytes",
        by={
            "POST": Operation("path", "file", "nothing"),
            "PUT": Operation("from to", answer="nothing"),
            "DELETE": Operation("path", answer="nothing"),
        },
    ),
    "files.NamespaceFileSearchView": Operation("q", answer="texts"),
    "files.NamespaceFileRevisionsView": Operation("path", answer="maps"),
    "files.NamespaceFileStatsView": Operation("path", answer="FileAttributes"),
    "files.NamespaceDirectoryView": Operation(
        "path", answer="FileAttributes[]", by={"POST": Operation("path", answer="nothing")}
    ),
    "files.NamespaceExportView": Operation(answer="bytes"),
    "flows.flows.CreateView": Operation("", "flow", "Flow"),
    "flows.OneFlowView": Operation(
        "source revision allowDeleted", answer="Flow", by={"PUT": Operation("", "flow", "Flow"), "DELETE": _NOTHING}
    ),
    "flows.FlowsOfNamespaceView": Operation(answer="Flow[]", by={"POST": Operation("delete", "flows", "Flow[]")}),
    "flows.RevisionsView": Operation(
        answer="Flow[]", by={"DELETE": Operation("revisions", answer="nothing", status=204)}
    ),
    "flows.TaskOfFlowView": Operation("revision", answer="map"),
    "flows.UpdateTaskView": Operation("", "task", "Flow"),
    "flows.SearchView": Operation(f"{_PAGE} {_FLOWS}", answer="page of Flow"),
    "flows.SourceSearchView": Operation(f"{_PAGE} q namespace", answer="page"),
    "completion.ExpressionsView": Operation("taskId", "flow", "map"),
    "replacing.PreviewView": Operation("", "replacement", "map"),
    "replacing.ApplyView": Operation("", "replacement of flows", "map"),
    "replacing.LineView": Operation("", "replacement of a line", "map"),
    "flows.DeprecatedView": Operation("page size", answer="page"),
    "flows.DistinctNamespacesView": Operation("q", answer="texts"),
    "validation.ValidateView": Operation("", "flows", "validations"),
    "validation.ValidatePartView": Operation("section", "yaml", "Validation"),
    "many.BulkView": Operation("delete", "flows", "Flow[]"),
    "many.ImportView": Operation("failOnError", "upload", "texts"),
    "many.ExportView": Operation(_FLOWS, answer="bytes", by={"POST": Operation("", "flow keys", "bytes")}),
    "many.CsvView": Operation(_FLOWS, answer="csv"),
    "template_files.ExportView": Operation(
        "q namespace", answer="bytes", by={"POST": Operation("", "flow keys", "bytes")}
    ),
    "template_files.ImportView": Operation("", "upload", "nothing", 204),
    "inspect.EvalView": Operation("", "expression", "map"),
    "validation.ValidateCreateView": Operation("revision", "inputs", "map"),
    "validation.ValidateResumeView": Operation("", "inputs", "map"),
    "webhooks.WebhookView": Operation(answer="map", by={"POST": Operation("", "any", "map")}),
    "plugins.PictureView": Operation(answer="text"),
    "plugins.FiltersView": Operation(answer="texts"),
    "plugins.FunctionsView": Operation(answer="texts"),
    "many.DeleteView": Operation("", "flow keys", "count"),
    "many.SwitchView": Operation("", "flow keys", "count"),
    "many.DeleteByQueryView": Operation(_FLOWS, answer="count"),
    "many.SwitchByQueryView": Operation(_FLOWS, answer="count"),
    "topology.GraphView": Operation("revision", answer="map"),
    "topology.GraphOfSourceView": Operation("", "flow", "map"),
    "topology.DependenciesView": Operation("destinationOnly", answer="map"),
    "topology.NamespaceDependenciesView": Operation("destinationOnly", answer="map"),
    "templates.CreateView": Operation("", "template", "map"),
    "templates.SearchView": Operation(f"{_PAGE} q namespace", answer="page"),
    "templates.OneTemplateView": Operation(
        answer="map", by={"PUT": Operation("", "template", "map"), "DELETE": _NOTHING}
    ),
    "templates.TemplatesOfNamespaceView": Operation("delete", "templates", "maps"),
    "templates.ValidateView": Operation("", "flows", "validations"),
    "plugins.TriggersView": Operation("page size", answer="page"),
    "plugins.PluginsView": Operation(answer="maps"),
    "plugins.SubgroupsView": Operation(answer="maps"),
    "plugins.SchemaView": Operation("arrayOf", answer="map"),
    "plugins.DocumentationView": Operation("all", answer="map"),
    "plugins.InputTypesView": Operation(answer="maps"),
    "plugins.IconsView": Operation(answer="map"),
}
