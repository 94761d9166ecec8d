"""Executions, queues and their keepers in the administration. History is read-only; actions go through `actions`."""

from datetime import UTC, datetime
from typing import Any

import orjson
from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied, ValidationError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.html import format_html
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextareaWidget, UnfoldAdminTextInputWidget

from executions import actions, database, triggering
from executions import admin_access as admin_access
from executions import admin_queues as admin_queues
from executions import secrets_admin as secrets_admin
from executions.admin_base import execution_link
from executions.ids import to_base62, to_uuid
from executions.models import (
    ExecutionRecord,
    KeyValue,
    TaskRunRecord,
    TriggerRecord,
)
from executions.storage import kv
from flows import access
from flows.access import Role
from flows.admin_base import ScopedAdmin, asking, button, column
from flows.pages.tags import duration_text

_COLOURS = {
    "SUCCESS": "success",
    "FAILED": "danger",
    "KILLED": "danger",
    "KILLING": "danger",
    "WARNING": "warning",
    "PAUSED": "warning",
    "RUNNING": "info",
    "QUEUED": "info",
    "CREATED": "info",
}


def _each(verb: str, act: Any) -> Any:
    """The same on every chosen execution; those that refuse are told with their reason, the others are done."""

    def run(request: HttpRequest, rows: list[ExecutionRecord]) -> str:
        done, refused = 0, []
        for row in rows:
            try:
                act(to_base62(row.pk))
                done += 1
            except Exception as error:
                refused.append(f"{to_base62(row.pk)}: {actions.reason_of(error)}")
        if refused:
            messages.warning(request, f"{len(refused)} did not allow it. " + "; ".join(refused[:5]))
        return f"{verb} {done} of {len(rows)} executions."

    return run


def _delete(request: HttpRequest, rows: list[ExecutionRecord]) -> str:
    return f"Deleted {actions.delete([to_base62(row.pk) for row in rows])} executions."


@admin.register(ExecutionRecord)
class ExecutionAdmin(ScopedAdmin):
    list_display = ("id_text", "state_label", "flow_id", "namespace", "flow_revision", "started", "took", "label_list")
    list_filter = ("state", "namespace", "kind")
    search_fields = ("flow_id", "namespace")
    search_help_text = "a flow, a namespace, or an execution's id"
    ordering = ("-start_date",)
    fields = (
        "id_text",
        "state_label",
        "namespace",
        "flow_id",
        "flow_revision",
        "label_list",
        "started",
        "ended",
        "took",
        "error",
        "inputs_json",
        "outputs_json",
        "variables_json",
        "trigger_json",
        "states",
        "task_runs",
        "version",
    )
    readonly_fields = fields
    actions_detail = ("open_page",)
    actions = (
        asking(
            "Kill",
            "Their running tasks are ended; what they already did stays done.",
            _each("Killed", actions.kill),
            role=Role.OPERATOR,
            danger=True,
        ),
        asking(
            "Restart",
            "Tasks that failed run again; those that succeeded are kept.",
            _each("Restarted", actions.restart),
            role=Role.OPERATOR,
        ),
        asking(
            "Replay",
            "For each, a new execution with the same inputs starts from the beginning.",
            _each("Replayed", actions.replay),
            role=Role.OPERATOR,
        ),
        asking(
            "Resume",
            "Paused ones go on. Those that ask for inputs are resumed on their own pages.",
            _each("Resumed", actions.resume),
            role=Role.OPERATOR,
        ),
        asking(
            "Force run",
            "They start now, whatever holds them back: a queue, a limit, a date.",
            _each("Forced", actions.force_run),
            role=Role.OPERATOR,
        ),
        asking(
            "Delete",
            "Their task runs, logs, metrics and files go with them. This cannot be undone.",
            _delete,
            role=Role.OPERATOR,
            danger=True,
        ),
    )

    def get_queryset(self, request: HttpRequest) -> Any:
        return super().get_queryset(request).filter(deleted=False)

    def get_search_results(self, request: HttpRequest, rows: Any, text: str) -> Any:
        try:
            return rows.filter(pk=to_uuid(text.strip())), False
        except ValueError:
            return super().get_search_results(request, rows, text)

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Any:
        return [], {}, set(), []

    @column("execution")
    def id_text(self, row: ExecutionRecord) -> str:
        return to_base62(row.pk)

    @column("state", ordering="state", label=_COLOURS)
    def state_label(self, row: ExecutionRecord) -> str:
        return row.state

    @column("started", ordering="start_date")
    def started(self, row: ExecutionRecord) -> Any:
        return row.start_date

    @column("ended")
    def ended(self, row: ExecutionRecord) -> Any:
        return row.end_date

    @column("duration")
    def took(self, row: ExecutionRecord) -> str:
        return duration_text(((row.end_date or datetime.now(UTC)) - row.start_date).total_seconds() * 1000)

    @column("labels")
    def label_list(self, row: ExecutionRecord) -> str:
        return ", ".join(f"{one['key']}:{one['value']}" for one in row.labels if not one["key"].startswith("system."))

    @column("inputs")
    def inputs_json(self, row: ExecutionRecord) -> Any:
        return _json(row.inputs)

    @column("outputs")
    def outputs_json(self, row: ExecutionRecord) -> Any:
        return _json(row.outputs)

    @column("variables")
    def variables_json(self, row: ExecutionRecord) -> Any:
        return _json(row.variables)

    @column("trigger")
    def trigger_json(self, row: ExecutionRecord) -> Any:
        return _json(row.trigger)

    @column("states")
    def states(self, row: ExecutionRecord) -> str:
        return " → ".join(f"{state} {moment[11:23]}" for state, moment in row.histories)

    @column("task runs")
    def task_runs(self, row: ExecutionRecord) -> Any:
        runs = TaskRunRecord.objects.filter(execution_id=row.pk).order_by("seq")
        lines = [f"{run.state:<10} {run.task_id}{f' [{run.value}]' if run.value else ''}" for run in runs[:200]]
        count = runs.count()
        return format_html("<pre>{}</pre>", "\n".join(lines) + (f"\nand {count - 200} more" if count > 200 else ""))

    @button("Open live page", "open", "open_in_new")
    def open_page(self, request: HttpRequest, object_id: str) -> HttpResponse:
        return redirect(f"/executions/{to_base62(to_uuid_of(object_id))}")


def to_uuid_of(text: str) -> Any:
    return ExecutionRecord._meta.pk.to_python(text)


def _json(value: Any) -> Any:
    if value in (None, {}, []):
        return "—"
    text = orjson.dumps(_masked(value), option=orjson.OPT_INDENT_2, default=str).decode()
    return format_html("<pre>{}</pre>", text if len(text) < 20_000 else text[:20_000] + "\n…")


def _masked(value: Any) -> Any:
    """Secrets stay unread."""
    if isinstance(value, dict):
        if str(value.get("type", "")).endswith(":aes_encrypted"):
            return "••••••"
        return {key: _masked(item) for key, item in value.items()}
    return [_masked(item) for item in value] if isinstance(value, list) else value


def _switch(disabled: bool) -> Any:
    def run(request: HttpRequest, rows: list[TriggerRecord]) -> str:
        keys = [(row.namespace, row.flow_id, row.trigger_id) for row in rows]
        count = sum(triggering.switch(database.current(), key, is_disabled=disabled) for key in keys)
        return f"{'Disabled' if disabled else 'Enabled'} {count} triggers."

    return run


@admin.register(TriggerRecord)
class TriggerAdmin(ScopedAdmin):
    list_display = ("trigger_id", "flow_id", "namespace", "state_label", "last_date", "next_date", "execution")
    list_filter = ("namespace", "disabled")
    search_fields = ("trigger_id", "flow_id", "namespace")
    ordering = ("namespace", "flow_id", "trigger_id")
    actions = (
        asking("Enable", "They set off executions again, from now on.", _switch(False), role=Role.OPERATOR),
        asking("Disable", "They set off nothing until they are enabled again.", _switch(True), role=Role.OPERATOR),
    )

    @column("state", label={"armed": "success", "disabled": "warning"})
    def state_label(self, row: TriggerRecord) -> str:
        return "disabled" if row.disabled else "armed"

    @column("last execution")
    def execution(self, row: TriggerRecord) -> Any:
        return execution_link(row.execution_id)


class KeyValueForm(forms.ModelForm):  # type: ignore[type-arg]
    """The value is typed as it is over the API."""

    value = forms.CharField(
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 6}), help_text="JSON values as JSON; all others as text"
    )
    type = forms.ChoiceField(
        widget=UnfoldAdminSelectWidget,
        choices=[
            (name, name.lower()) for name in ("STRING", "NUMBER", "BOOLEAN", "DATETIME", "DATE", "DURATION", "JSON")
        ],
    )
    lives_for = forms.DurationField(
        required=False, widget=UnfoldAdminTextInputWidget, help_text="such as 1 12:00:00 (days hours); empty: for good"
    )

    class Meta:
        model = KeyValue
        fields = ("namespace", "key", "type", "value", "description", "lives_for")

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        if self.instance.pk and not isinstance(self.instance.value, str):
            self.initial["value"] = orjson.dumps(self.instance.value, option=orjson.OPT_INDENT_2).decode()

    def clean(self) -> Any:
        found = super().clean() or {}
        try:
            kv.typed(found.get("value", ""), found.get("type"))
        except kv.InvalidKeyValue as error:
            raise ValidationError({"value": str(error)}) from None
        return found

    def _post_clean(self) -> None:
        """The key-value store checks and writes; nothing is copied onto the row."""


@admin.register(KeyValue)
class KeyValueAdmin(ScopedAdmin):
    form = KeyValueForm
    change_role = Role.AUTHOR
    may_add = may_delete = True
    list_display = ("key", "namespace", "type", "description", "expires", "updated")
    list_filter = ("namespace", "type")
    search_fields = ("key", "namespace", "description")
    ordering = ("namespace", "key")

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return ("namespace", "key") if obj else ()

    def save_model(self, request: HttpRequest, obj: KeyValue, form: Any, change: bool) -> None:
        values = form.cleaned_data
        namespace, key = (obj.namespace, obj.key) if change else (values["namespace"], values["key"])
        if not access.of_user(request.user).allows(Role.AUTHOR, namespace):
            raise PermissionDenied(f"This needs the role author in {namespace}.")
        kv.put(
            database.current(),
            namespace,
            key,
            values["value"],
            type_name=values["type"],
            ttl=values["lives_for"],
            description=values["description"] or None,
        )
        saved = KeyValue.objects.get(namespace=namespace, key=key)
        obj.__dict__.update({name: value for name, value in saved.__dict__.items() if name != "_state"})

    def delete_model(self, request: HttpRequest, obj: KeyValue) -> None:
        kv.delete(database.current(), obj.namespace, obj.key)

    def delete_queryset(self, request: HttpRequest, queryset: Any) -> None:
        for row in queryset:
            self.delete_model(request, row)
