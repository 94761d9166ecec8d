"""Kestra's older names of types, and those it deprecates. Facts only."""

_PLUGIN = "io.kestra.plugin."
_CORE = "io.kestra.plugin.core."
_TASKS = "io.kestra.core.tasks."
_MODELS = "io.kestra.core.models."

ALIASES: dict[str, str] = {
    _MODELS + "conditions.types.DateTimeBetweenCondition": _CORE + "condition.DateTimeBetween",
    _CORE + "condition.DateTimeBetweenCondition": _CORE + "condition.DateTimeBetween",
    _MODELS + "conditions.types.DayWeekCondition": _CORE + "condition.DayWeek",
    _CORE + "condition.DayWeekCondition": _CORE + "condition.DayWeek",
    _MODELS + "conditions.types.DayWeekInMonthCondition": _CORE + "condition.DayWeekInMonth",
    _CORE + "condition.DayWeekInMonthCondition": _CORE + "condition.DayWeekInMonth",
    _MODELS + "conditions.types.ExecutionFlowCondition": _CORE + "condition.ExecutionFlow",
    _CORE + "condition.ExecutionFlowCondition": _CORE + "condition.ExecutionFlow",
    _MODELS + "conditions.types.ExecutionLabelsCondition": _CORE + "condition.ExecutionLabels",
    _CORE + "condition.ExecutionLabelsCondition": _CORE + "condition.ExecutionLabels",
    _MODELS + "conditions.types.ExecutionNamespaceCondition": _CORE + "condition.ExecutionNamespace",
    _CORE + "condition.ExecutionNamespaceCondition": _CORE + "condition.ExecutionNamespace",
    _MODELS + "conditions.types.ExecutionOutputsCondition": _CORE + "condition.ExecutionOutputs",
    _CORE + "condition.ExecutionOutputsCondition": _CORE + "condition.ExecutionOutputs",
    _MODELS + "conditions.types.ExecutionStatusCondition": _CORE + "condition.ExecutionStatus",
    _CORE + "condition.ExecutionStatusCondition": _CORE + "condition.ExecutionStatus",
    _MODELS + "conditions.types.VariableCondition": _CORE + "condition.Expression",
    _CORE + "condition.ExpressionCondition": _CORE + "condition.Expression",
    _MODELS + "conditions.types.FlowCondition": _CORE + "condition.FlowCondition",
    _MODELS + "conditions.types.FlowNamespaceCondition": _CORE + "condition.FlowNamespaceCondition",
    _MODELS + "conditions.types.HasRetryAttemptCondition": _CORE + "condition.HasRetryAttempt",
    _CORE + "condition.HasRetryAttemptCondition": _CORE + "condition.HasRetryAttempt",
    _MODELS + "conditions.types.MultipleCondition": _CORE + "condition.MultipleCondition",
    _MODELS + "conditions.types.NotCondition": _CORE + "condition.Not",
    _CORE + "condition.NotCondition": _CORE + "condition.Not",
    _MODELS + "conditions.types.OrCondition": _CORE + "condition.Or",
    _CORE + "condition.OrCondition": _CORE + "condition.Or",
    _MODELS + "conditions.types.PublicHolidayCondition": _CORE + "condition.PublicHoliday",
    _CORE + "condition.PublicHolidayCondition": _CORE + "condition.PublicHoliday",
    _MODELS + "conditions.types.TimeBetweenCondition": _CORE + "condition.TimeBetween",
    _CORE + "condition.TimeBetweenCondition": _CORE + "condition.TimeBetween",
    _MODELS + "conditions.types.WeekendCondition": _CORE + "condition.Weekend",
    _CORE + "condition.WeekendCondition": _CORE + "condition.Weekend",
    _TASKS + "debugs.Echo": _CORE + "debug.Echo",
    _TASKS + "debugs.Return": _CORE + "debug.Return",
    _TASKS + "executions.Counts": _CORE + "execution.Count",
    _TASKS + "executions.Fail": _CORE + "execution.Fail",
    _TASKS + "executions.Labels": _CORE + "execution.Labels",
    _TASKS + "storages.Purge": _CORE + "execution.PurgeExecutions",
    _CORE + "storage.Purge": _CORE + "execution.PurgeExecutions",
    _TASKS + "flows.AllowFailure": _CORE + "flow.AllowFailure",
    _TASKS + "flows.Dag": _CORE + "flow.Dag",
    _TASKS + "flows.EachParallel": _CORE + "flow.EachParallel",
    _TASKS + "flows.EachSequential": _CORE + "flow.EachSequential",
    _TASKS + "flows.ForEachItem": _CORE + "flow.ForEachItem",
    _TASKS + "flows.If": _CORE + "flow.If",
    _TASKS + "flows.Parallel": _CORE + "flow.Parallel",
    _TASKS + "flows.Pause": _CORE + "flow.Pause",
    _TASKS + "flows.Sequential": _CORE + "flow.Sequential",
    _TASKS + "flows.Subflow": _CORE + "flow.Subflow",
    _TASKS + "flows.Flow": _CORE + "flow.Subflow",
    _TASKS + "flows.Switch": _CORE + "flow.Switch",
    _TASKS + "flows.Template": _CORE + "flow.Template",
    _TASKS + "flows.WorkingDirectory": _CORE + "flow.WorkingDirectory",
    _TASKS + "flows.Worker": _CORE + "flow.WorkingDirectory",
    "io.kestra.plugin.fs.http.Download": _CORE + "http.Download",
    "io.kestra.plugin.fs.http.Request": _CORE + "http.Request",
    "io.kestra.plugin.fs.http.Trigger": _CORE + "http.Trigger",
    _TASKS + "log.Fetch": _CORE + "log.Fetch",
    _TASKS + "log.Log": _CORE + "log.Log",
    _TASKS + "states.Delete": _CORE + "state.Delete",
    _TASKS + "states.Get": _CORE + "state.Get",
    _TASKS + "states.Set": _CORE + "state.Set",
    _TASKS + "storages.Concat": _CORE + "storage.Concat",
    _TASKS + "storages.DeduplicateItems": _CORE + "storage.DeduplicateItems",
    _TASKS + "storages.Delete": _CORE + "storage.Delete",
    _TASKS + "storages.FilterItems": _CORE + "storage.FilterItems",
    _TASKS + "storages.LocalFiles": _CORE + "storage.LocalFiles",
    _TASKS + "storages.PurgeExecution": _CORE + "storage.PurgeCurrentExecutionFiles",
    _CORE + "storage.PurgeExecution": _CORE + "storage.PurgeCurrentExecutionFiles",
    _TASKS + "storages.Reverse": _CORE + "storage.Reverse",
    _TASKS + "storages.Size": _CORE + "storage.Size",
    _TASKS + "storages.Split": _CORE + "storage.Split",
    _TASKS + "templating.TemplatedTask": _CORE + "templating.TemplatedTask",
    _MODELS + "triggers.types.Flow": _CORE + "trigger.Flow",
    _MODELS + "triggers.types.Schedule": _CORE + "trigger.Schedule",
    _TASKS + "trigger.Toggle": _CORE + "trigger.Toggle",
    _MODELS + "triggers.types.Webhook": _CORE + "trigger.Webhook",
    _MODELS + "conditions.types.ExpressionCondition": _CORE + "condition.Expression",
    _TASKS + "flows.WaitFor": _CORE + "flow.LoopUntil",
    _CORE + "flow.WaitFor": _CORE + "flow.LoopUntil",
    _PLUGIN + "serdes.csv.CsvReader": _PLUGIN + "serdes.csv.CsvToIon",
    _PLUGIN + "serdes.csv.CsvWriter": _PLUGIN + "serdes.csv.IonToCsv",
    _PLUGIN + "serdes.json.JsonReader": _PLUGIN + "serdes.json.JsonToIon",
    _PLUGIN + "serdes.json.JsonWriter": _PLUGIN + "serdes.json.IonToJson",
    _PLUGIN + "serdes.parquet.ParquetReader": _PLUGIN + "serdes.parquet.ParquetToIon",
    _PLUGIN + "serdes.parquet.ParquetWriter": _PLUGIN + "serdes.parquet.IonToParquet",
    _PLUGIN + "email.MailSend": _PLUGIN + "notifications.mail.MailSend",
    _PLUGIN + "email.MailExecution": _PLUGIN + "notifications.mail.MailExecution",
    _PLUGIN + "slack.SlackIncomingWebhook": _PLUGIN + "notifications.slack.SlackIncomingWebhook",
    _PLUGIN + "slack.notifications.SlackIncomingWebhook": _PLUGIN + "notifications.slack.SlackIncomingWebhook",
    _PLUGIN + "slack.SlackExecution": _PLUGIN + "notifications.slack.SlackExecution",
    _PLUGIN + "slack.notifications.SlackExecution": _PLUGIN + "notifications.slack.SlackExecution",
}

DEPRECATED: frozenset[str] = frozenset(
    _CORE + name
    for name in (
        "condition.FlowCondition",
        "condition.FlowNamespaceCondition",
        "condition.MultipleCondition",
        "debug.Echo",
        "flow.EachParallel",
        "flow.EachSequential",
        "flow.Template",
        "state.Delete",
        "state.Get",
        "state.Set",
        "storage.LocalFiles",
    )
)


def canonical(name: str) -> str:
    """The present name of a type: aliases followed, the left out `io.kestra.plugin.` put back."""
    if "." in name and not name.startswith(("io.", "celery.", "django.")):
        name = "io.kestra.plugin." + name
    return ALIASES.get(name, name)


def is_deprecated(name: str) -> bool:
    return canonical(name) in DEPRECATED
