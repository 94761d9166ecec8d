"""Kestra's type names and the classes behind them, imported when first asked for. One line per type."""

import difflib
from collections.abc import Mapping
from functools import cache
from importlib import import_module
from typing import Any

from pydantic import BaseModel

from flows.definition.errors import structure_error
from flows.tasks import installed
from flows.tasks.aliases import canonical
from flows.tasks.base import Task
from flows.triggers.base import Condition, Trigger

_CORE = "io.kestra.plugin.core."
_FLOW = "flows.tasks.flow."
_TASKS = "flows.tasks.core."
_SCRIPTS = "flows.tasks.scripts."
_PLUGIN = "io.kestra.plugin."
_NOTIFICATIONS = "flows.tasks.notifications."
_CONDITIONS = "flows.triggers.conditions."

TASKS: dict[str, str] = {
    _CORE + "flow.Sequential": _FLOW + "sequential:Sequential",
    _CORE + "flow.Parallel": _FLOW + "parallel:Parallel",
    _CORE + "flow.AllowFailure": _FLOW + "allow_failure:AllowFailure",
    _CORE + "flow.If": _FLOW + "if_:If",
    _CORE + "flow.Switch": _FLOW + "switch:Switch",
    _CORE + "flow.ForEach": _FLOW + "foreach:ForEach",
    _CORE + "flow.EachSequential": _FLOW + "each:EachSequential",
    _CORE + "flow.EachParallel": _FLOW + "each:EachParallel",
    _CORE + "flow.Dag": _FLOW + "dag:Dag",
    _CORE + "flow.Pause": _FLOW + "pause:Pause",
    _CORE + "flow.LoopUntil": _FLOW + "loop_until:LoopUntil",
    _CORE + "flow.Loop": _FLOW + "loop:Loop",
    _CORE + "flow.WorkingDirectory": _FLOW + "working_directory:WorkingDirectory",
    _CORE + "flow.Subflow": _FLOW + "subflow:Subflow",
    _CORE + "flow.ForEachItem": _FLOW + "foreach_item:ForEachItem",
    _CORE + "flow.Template": _FLOW + "template:Template",
    _CORE + "flow.Sleep": _TASKS + "sleep:Sleep",
    _CORE + "log.Log": _TASKS + "log:Log",
    _CORE + "debug.Return": _TASKS + "debug:Return",
    _CORE + "debug.Echo": _TASKS + "debug:Echo",
    _CORE + "output.OutputValues": _TASKS + "output:OutputValues",
    _CORE + "execution.Fail": _TASKS + "fail:Fail",
    _CORE + "log.Fetch": _TASKS + "log_lines:Fetch",
    _CORE + "log.PurgeLogs": _TASKS + "log_lines:PurgeLogs",
    _CORE + "execution.Resume": _TASKS + "executions:Resume",
    _CORE + "execution.Kill": _TASKS + "executions:Kill",
    _CORE + "execution.Count": _TASKS + "executions:Count",
    _CORE + "execution.PurgeExecutions": _TASKS + "executions:PurgeExecutions",
    _CORE + "execution.Assert": _TASKS + "executions:Assert",
    _CORE + "execution.Labels": _TASKS + "labels:Labels",
    _CORE + "execution.SetVariables": _TASKS + "variables:SetVariables",
    _CORE + "execution.UnsetVariables": _TASKS + "variables:UnsetVariables",
    _CORE + "execution.Exit": _TASKS + "exit:Exit",
    _CORE + "templating.TemplatedTask": _TASKS + "templated:TemplatedTask",
    _CORE + "http.Request": _TASKS + "http:Request",
    _CORE + "http.Download": _TASKS + "http:Download",
    _CORE + "kv.Set": _TASKS + "kv:Set",
    _CORE + "kv.Get": _TASKS + "kv:Get",
    _CORE + "kv.GetKeys": _TASKS + "kv:GetKeys",
    _CORE + "kv.Delete": _TASKS + "kv:Delete",
    _CORE + "kv.PurgeKV": _TASKS + "purging:PurgeKV",
    _CORE + "namespace.UploadFiles": _TASKS + "namespace_files:UploadFiles",
    _CORE + "namespace.DownloadFiles": _TASKS + "namespace_files:DownloadFiles",
    _CORE + "namespace.DeleteFiles": _TASKS + "namespace_files:DeleteFiles",
    _CORE + "namespace.PurgeFiles": _TASKS + "purging:PurgeFiles",
    _CORE + "state.Get": _TASKS + "state:Get",
    _CORE + "state.Set": _TASKS + "state:Set",
    _CORE + "state.Delete": _TASKS + "state:Delete",
    _CORE + "storage.Concat": _TASKS + "storage_files:Concat",
    _CORE + "storage.Split": _TASKS + "storage_files:Split",
    _CORE + "storage.Reverse": _TASKS + "storage_files:Reverse",
    _CORE + "storage.Size": _TASKS + "storage_files:Size",
    _CORE + "storage.Delete": _TASKS + "storage_files:Delete",
    _CORE + "storage.Write": _TASKS + "storage_files:Write",
    _CORE + "storage.PurgeCurrentExecutionFiles": _TASKS + "storage_files:PurgeCurrentExecutionFiles",
    _CORE + "storage.FilterItems": _TASKS + "storage_items:FilterItems",
    _CORE + "storage.DeduplicateItems": _TASKS + "storage_items:DeduplicateItems",
    _CORE + "storage.LocalFiles": _TASKS + "local_files:LocalFiles",
    _CORE + "trigger.Toggle": _TASKS + "toggle:Toggle",
    "io.kestra.plugin.transform.jsonata.TransformValue": "flows.tasks.transform.jsonata:TransformValue",
    "io.kestra.plugin.transform.jsonata.TransformItems": "flows.tasks.transform.jsonata:TransformItems",
    "io.kestra.plugin.scripts.shell.Commands": _SCRIPTS + "shell:Commands",
    "io.kestra.plugin.scripts.shell.Script": _SCRIPTS + "shell:Script",
    "io.kestra.plugin.scripts.python.Commands": _SCRIPTS + "python:Commands",
    "io.kestra.plugin.scripts.python.Script": _SCRIPTS + "python:Script",
    "io.kestra.plugin.scripts.node.Commands": _SCRIPTS + "node:Commands",
    "io.kestra.plugin.scripts.node.Script": _SCRIPTS + "node:Script",
    _PLUGIN + "jdbc.postgresql.Query": "flows.tasks.jdbc.postgresql:Query",
    _PLUGIN + "jdbc.postgresql.Queries": "flows.tasks.jdbc.postgresql:Queries",
    _PLUGIN + "jdbc.sqlite.Query": "flows.tasks.jdbc.sqlite:Query",
    _PLUGIN + "jdbc.sqlite.Queries": "flows.tasks.jdbc.sqlite:Queries",
    _PLUGIN + "serdes.csv.CsvToIon": "flows.tasks.serdes.csv:CsvToIon",
    _PLUGIN + "serdes.csv.IonToCsv": "flows.tasks.serdes.csv:IonToCsv",
    _PLUGIN + "serdes.json.JsonToIon": "flows.tasks.serdes.json:JsonToIon",
    _PLUGIN + "serdes.json.IonToJson": "flows.tasks.serdes.json:IonToJson",
    _PLUGIN + "serdes.yaml.YamlToIon": "flows.tasks.serdes.yaml:YamlToIon",
    _PLUGIN + "serdes.yaml.IonToYaml": "flows.tasks.serdes.yaml:IonToYaml",
    _PLUGIN + "serdes.parquet.ParquetToIon": "flows.tasks.serdes.parquet:ParquetToIon",
    _PLUGIN + "serdes.parquet.IonToParquet": "flows.tasks.serdes.parquet:IonToParquet",
    _PLUGIN + "notifications.mail.MailSend": _NOTIFICATIONS + "mail:MailSend",
    _PLUGIN + "notifications.mail.MailExecution": _NOTIFICATIONS + "mail:MailExecution",
    _PLUGIN + "notifications.slack.SlackIncomingWebhook": _NOTIFICATIONS + "webhook:IncomingWebhook",
    _PLUGIN + "notifications.slack.SlackExecution": _NOTIFICATIONS + "webhook:SlackExecution",
    _PLUGIN + "notifications.discord.DiscordIncomingWebhook": _NOTIFICATIONS + "webhook:IncomingWebhook",
    _PLUGIN + "notifications.teams.TeamsIncomingWebhook": _NOTIFICATIONS + "webhook:IncomingWebhook",
    _PLUGIN + "notifications.google.GoogleChatIncomingWebhook": _NOTIFICATIONS + "webhook:IncomingWebhook",
    _PLUGIN + "notifications.webhook.IncomingWebhook": _NOTIFICATIONS + "webhook:IncomingWebhook",
    _PLUGIN + "notifications.webhook.WebhookExecution": _NOTIFICATIONS + "webhook:WebhookExecution",
    "celery.Task": "flows.tasks.celery:Task",
}

TRIGGERS: dict[str, str] = {
    _CORE + "trigger.Schedule": "flows.triggers.schedule:Schedule",
    _CORE + "trigger.ScheduleOnDates": "flows.triggers.schedule:ScheduleOnDates",
    _CORE + "trigger.Webhook": "flows.triggers.webhook:Webhook",
    _CORE + "trigger.Flow": "flows.triggers.flow:Flow",
    _CORE + "http.Trigger": "flows.triggers.http:HttpTrigger",
}

CONDITIONS: dict[str, str] = {
    _CORE + "condition.DateTimeBetween": _CONDITIONS + "dates:DateTimeBetween",
    _CORE + "condition.DayWeek": _CONDITIONS + "dates:DayWeek",
    _CORE + "condition.DayWeekInMonth": _CONDITIONS + "dates:DayWeekInMonth",
    _CORE + "condition.PublicHoliday": _CONDITIONS + "dates:PublicHoliday",
    _CORE + "condition.TimeBetween": _CONDITIONS + "dates:TimeBetween",
    _CORE + "condition.Weekend": _CONDITIONS + "dates:Weekend",
    _CORE + "condition.ExecutionFlow": _CONDITIONS + "executions:ExecutionFlow",
    _CORE + "condition.ExecutionLabels": _CONDITIONS + "executions:ExecutionLabels",
    _CORE + "condition.ExecutionNamespace": _CONDITIONS + "executions:ExecutionNamespace",
    _CORE + "condition.ExecutionOutputs": _CONDITIONS + "executions:ExecutionOutputs",
    _CORE + "condition.ExecutionStatus": _CONDITIONS + "executions:ExecutionStatus",
    _CORE + "condition.FlowCondition": _CONDITIONS + "executions:FlowCondition",
    _CORE + "condition.FlowNamespaceCondition": _CONDITIONS + "executions:FlowNamespaceCondition",
    _CORE + "condition.HasRetryAttempt": _CONDITIONS + "executions:HasRetryAttempt",
    _CORE + "condition.Expression": _CONDITIONS + "logic:Expression",
    _CORE + "condition.Not": _CONDITIONS + "logic:Not",
    _CORE + "condition.Or": _CONDITIONS + "logic:Or",
    _CORE + "condition.MultipleCondition": _CONDITIONS + "logic:MultipleCondition",
}

_ALL: dict[str, dict[str, str]] = {"task": TASKS, "trigger": TRIGGERS, "condition": CONDITIONS}


class UnknownType(LookupError):
    """`near` holds the closest known names, best first."""

    def __init__(self, name: str, near: tuple[str, ...], reason: str = "") -> None:
        self.name, self.near = name, near
        hint = f" (did you mean {' or '.join(near)}?)" if near else f" ({reason})" if reason else ""
        super().__init__(f"Invalid type: {name}{hint}")


def find(name: str, kind: str = "task") -> Any:
    """The class of a task, trigger or condition type, ours or of an installed plugin. Raises UnknownType."""
    path = _ALL[kind].get(canonical(name))
    try:
        found = _load(path) if path is not None else installed.find(name, kind)
    except ModuleNotFoundError:
        found = None
    except installed.BrokenPlugin as error:
        raise UnknownType(name, (), str(error)) from None
    if found is None:
        raise UnknownType(name, near_matches(name, kind))
    return found


def names(kind: str) -> list[str]:
    """Every type that may be written, aliases left out."""
    return sorted({*_ALL[kind], *installed.names(kind)})


@cache
def _load(path: str) -> Any:
    module, _, attribute = path.partition(":")
    return getattr(import_module(module), attribute)


def near_matches(name: str, kind: str = "task") -> tuple[str, ...]:
    """At most three known names that look alike, the nearest first: those with a similar last part before others."""
    every = names(kind)
    by_last: dict[str, list[str]] = {}
    for known in every:
        by_last.setdefault(known.rpartition(".")[2].lower(), []).append(known)
    last = difflib.get_close_matches(name.rpartition(".")[2].lower()[:200], by_last, n=2, cutoff=0.7)
    alike = [known for part in last for known in by_last[part]]
    nearest = difflib.get_close_matches(name[:200], alike, n=2, cutoff=0.0)
    whole = difflib.get_close_matches(name[:200], every, n=1, cutoff=0.85)
    return tuple(dict.fromkeys([*nearest, *whole]))


def build_task(value: Mapping[str, Any], context: dict[str, Any]) -> Task:
    """Raises pydantic's ValidationError, also for an unknown type (its message names near matches)."""
    task: Task = _build("task", value, context)
    return task


def build_trigger(value: Mapping[str, Any], context: dict[str, Any]) -> Trigger:
    trigger: Trigger = _build("trigger", value, context)
    return trigger


def build_condition(value: Mapping[str, Any], context: dict[str, Any]) -> Condition:
    condition: Condition = _build("condition", value, context)
    return condition


def _build(kind: str, value: Mapping[str, Any], context: dict[str, Any]) -> Any:
    name = value.get("type")
    if not isinstance(name, str):
        shown = "null" if name is None else str(name)[:100]
        raise structure_error("task_type", f"Invalid type: {shown}", ("type",), name)
    try:
        model = find(name, kind)
    except UnknownType as error:
        raise structure_error("task_type", str(error), ("type",), name) from None
    return model.model_validate(_with_texts(model, value), context=context, by_name=False, by_alias=True)


def _with_texts(model: type[BaseModel], value: Mapping[str, Any]) -> Mapping[str, Any]:
    """A YAML boolean where the model asks for text is the text, as it is for numbers."""
    names = [name for name in _text_properties(model) if isinstance(value.get(name), bool)]
    return {**value, **{name: str(value[name]).lower() for name in names}} if names else value


@cache
def _text_properties(model: type[BaseModel]) -> tuple[str, ...]:
    return tuple(
        field.alias or name for name, field in model.model_fields.items() if field.annotation in (str, str | None)
    )


def context() -> dict[str, Any]:
    """What validators of flows, tasks and triggers are given."""
    return {"build_task": build_task, "build_trigger": build_trigger, "build_condition": build_condition}
