"""Rows of what should happen: flow revisions, namespace files. No behaviour here (catalog.py writes them)."""

from django.db import models
from django.db.models import Q


class FlowRecord(models.Model):
    """One immutable revision of a flow; the source is kept to the letter."""

    id = models.BigAutoField(primary_key=True)
    namespace = models.CharField(max_length=150)
    flow_id = models.CharField(max_length=100)
    revision = models.IntegerField()
    source = models.TextField()
    description = models.TextField(blank=True, default="")
    labels = models.JSONField(default=dict)
    disabled = models.BooleanField(default=False)
    deleted = models.BooleanField(default=False)
    # Exactly one row per (namespace, flow_id) has it: the latest revision.
    latest = models.BooleanField(default=True)
    # Types of its triggers, so that flow triggers and schedules are found without parsing every flow.
    trigger_types = models.JSONField(default=list)
    created = models.DateTimeField(auto_now_add=True)

    class Meta:
        db_table = "flows"
        verbose_name = "flow"
        constraints = [
            models.UniqueConstraint(fields=["namespace", "flow_id", "revision"], name="flows_revision_key"),
            models.UniqueConstraint(fields=["namespace", "flow_id"], condition=Q(latest=True), name="flows_latest_key"),
        ]

    def __str__(self) -> str:
        return f"{self.namespace}.{self.flow_id} revision {self.revision}"


class TemplateRecord(models.Model):
    """Tasks that flows take in by a Template task. `version` is another one after each change, in the whole table."""

    id = models.BigAutoField(primary_key=True)
    namespace = models.CharField(max_length=150)
    template_id = models.CharField(max_length=100)
    description = models.TextField(blank=True, default="")
    source = models.TextField()
    document = models.JSONField()
    version = models.BigIntegerField()
    updated = models.DateTimeField(auto_now=True)

    class Meta:
        db_table = "flow_templates"
        verbose_name = "template"
        constraints = [models.UniqueConstraint(fields=["namespace", "template_id"], name="flow_templates_key")]

    def __str__(self) -> str:
        return f"{self.namespace}.{self.template_id}"


class NamespaceGrant(models.Model):
    """What the members of a group may do in a namespace and those below it; read by `access` only."""

    ROLES = ("viewer", "operator", "author", "namespace_admin", "admin")

    id = models.BigAutoField(primary_key=True)
    group = models.ForeignKey("auth.Group", on_delete=models.CASCADE, related_name="namespace_grants")
    namespace = models.CharField(max_length=150, blank=True, default="", help_text="empty: every namespace")
    role = models.CharField(max_length=20, choices=[(role, role.replace("_", " ")) for role in ROLES])

    class Meta:
        db_table = "namespace_grants"
        constraints = [
            models.UniqueConstraint(fields=["group", "namespace"], name="namespace_grants_key"),
        ]

    def __str__(self) -> str:
        return f"{self.group}: {self.role} in {self.namespace or 'every namespace'}"


class ListenerVersion(models.Model):
    """One row, raised with every change to a flow that listens to executions: who caches the listeners compares it."""

    id = models.SmallIntegerField(primary_key=True)
    version = models.BigIntegerField()

    class Meta:
        db_table = "listener_version"
