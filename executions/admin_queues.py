"""Queues, dead letters, processes and the work that they hold, in the administration."""

from datetime import UTC, datetime, timedelta
from typing import Any

from django.contrib import admin, messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.html import format_html

from executions import upkeep
from executions.admin_base import InstanceAdmin, execution_link
from executions.ids import to_base62
from executions.models import (
    ConcurrencySlot,
    DeadLetter,
    QueueMessage,
    ServiceInstance,
    WorkerJob,
)
from executions.pages import system
from flows.access import Role
from flows.admin_base import ScopedAdmin, asking, button, column


@admin.register(QueueMessage)
class QueueAdmin(InstanceAdmin):
    list_display = ("id", "type", "kind", "execution", "tries", "created", "not_before")
    list_filter = ("stream", "type")
    ordering = ("-id",)
    list_before_template = "admin/queues_by_type.html"
    actions_list = ("clean",)
    readonly_fields = ("id", "type", "kind", "execution", "body", "tries", "not_before", "created")
    fields = readonly_fields

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> Any:
        rows = {"by_type": system.by_type(), **(extra_context or {})}
        return super().changelist_view(request, rows)

    @column("kind", label={"for readers": "info", "to be handled": "warning"})
    def kind(self, row: QueueMessage) -> str:
        return "for readers" if row.stream else "to be handled"

    @column("execution")
    def execution(self, row: QueueMessage) -> Any:
        return execution_link(row.execution_id)

    @button("Clean…", "clean", "mop")
    def clean(self, request: HttpRequest) -> HttpResponse:
        """Says how many of which type are past their retention, then removes them."""
        back = reverse("admin:executions_queuemessage_changelist")
        if not self.has_view_permission(request):
            return redirect(back)
        if request.method == "POST":
            messages.success(request, f"Removed {upkeep.clean():,} old messages.")
            return redirect(back)
        found = upkeep.cleanable()
        context = {
            **self.admin_site.each_context(request),
            "title": "Remove old messages?",
            "opts": self.model._meta,
            "found": found,
            "total": sum(found.values()),
            "back": back,
        }
        return TemplateResponse(request, "admin/clean_queues.html", context)


def _redrive(request: HttpRequest, rows: list[DeadLetter]) -> str:
    return f"Handed {upkeep.redrive(row.pk for row in rows)} of {len(rows)} messages to the executor again."


def _drop(request: HttpRequest, rows: list[DeadLetter]) -> str:
    return f"Dropped {upkeep.drop(row.pk for row in rows)} messages."


@admin.register(DeadLetter)
class DeadLetterAdmin(InstanceAdmin):
    list_display = ("id", "type", "execution", "cause", "tries", "created", "parked")
    list_filter = ("type",)
    ordering = ("-id",)
    fields = ("id", "type", "execution", "body", "tries", "created", "parked", "traceback")
    readonly_fields = fields
    actions = (
        asking(
            "Re-drive",
            "They are handed to the executor once more; those that fail again come back.",
            _redrive,
            role=Role.ADMIN,
        ),
        asking(
            "Drop",
            "They are deleted, with what they would have done. Executions stay as they are.",
            _drop,
            role=Role.ADMIN,
            danger=True,
        ),
    )

    @column("execution")
    def execution(self, row: DeadLetter) -> Any:
        return execution_link(row.execution_id)

    @column("cause")
    def cause(self, row: DeadLetter) -> str:
        return (row.error.strip().splitlines() or [""])[-1][:200]

    @column("traceback")
    def traceback(self, row: DeadLetter) -> Any:
        return format_html("<pre>{}</pre>", row.error)


@admin.register(ServiceInstance)
class ServiceAdmin(InstanceAdmin):
    list_display = ("id", "kind", "alive", "host", "pid", "queues", "threads", "runs", "started", "beat")
    list_filter = ("kind",)
    ordering = ("kind", "-beat")
    readonly_fields = ("id", "kind", "alive", "host", "pid", "queues", "threads", "running_jobs", "started", "beat")
    fields = readonly_fields

    @column("state", label={"alive": "success", "draining": "warning", "silent": "danger"})
    def alive(self, row: ServiceInstance) -> str:
        if datetime.now(UTC) - row.beat > timedelta(seconds=10):
            return "silent"
        return "draining" if row.state == "DRAINING" else "alive"

    @column("runs")
    def runs(self, row: ServiceInstance) -> int:
        return WorkerJob.objects.filter(claimed_by=row.pk).count()

    @column("runs now")
    def running_jobs(self, row: ServiceInstance) -> Any:
        jobs = WorkerJob.objects.filter(claimed_by=row.pk).defer("payload").order_by("claimed_at")[:100]
        return format_html(
            "<pre>{}</pre>", "\n".join(f"{to_base62(job.execution_id)} {job.task_type}" for job in jobs) or "nothing"
        )


@admin.register(WorkerJob)
class JobAdmin(InstanceAdmin):
    list_display = ("id", "queue", "task_type", "execution", "claimed_by", "claimed_at", "kill", "created")
    list_filter = ("queue",)
    ordering = ("id",)
    readonly_fields = ("id", "queue", "task_type", "execution", "claimed_by", "claimed_at", "deaths", "kill", "created")
    fields = readonly_fields

    @column("execution")
    def execution(self, row: WorkerJob) -> Any:
        return execution_link(row.execution_id)


@admin.register(ConcurrencySlot)
class SlotAdmin(ScopedAdmin):
    list_display = ("execution", "namespace", "flow_id", "running", "since")
    list_filter = ("running", "namespace")
    ordering = ("namespace", "flow_id", "-running", "since")

    @column("execution")
    def execution(self, row: ConcurrencySlot) -> Any:
        return execution_link(row.execution_id)
