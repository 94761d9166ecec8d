"""Rows of what has happened, without behaviour: `store`, `queue`, `storage` write them; lists and the admin read them."""

import uuid

from django.contrib.postgres.indexes import GinIndex
from django.db import models
from django.db.models import Q

from executions.ids import to_base62
from flows.definition.states import TERMINAL

_STATES = sorted(str(state) for state in TERMINAL)  # sorted: a set has another order in each process


class ExecutionRecord(models.Model):
    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    namespace = models.TextField()
    flow_id = models.TextField()
    flow_revision = models.IntegerField()
    state = models.TextField()
    histories = models.JSONField(default=list)  # [["CREATED", "2026-...Z"], ...]
    version = models.BigIntegerField(default=1)
    inputs = models.JSONField(default=dict)
    labels = models.JSONField(default=list)  # [{"key","value"}]
    variables = models.JSONField(default=dict)
    outputs = models.JSONField(null=True)
    trigger = models.JSONField(null=True)
    parent_id = models.UUIDField(null=True)
    original_id = models.UUIDField(null=True)
    parent_task_run = models.JSONField(null=True)
    trigger_execution_id = models.UUIDField(
        null=True
    )  # who started it (Subflow, flow trigger), for kill cascade and search
    depth = models.IntegerField(default=0)
    schedule_date = models.DateTimeField(null=True)
    attempt_number = models.IntegerField(default=1)
    original_created = models.DateTimeField(null=True)
    kind = models.TextField(default="NORMAL")
    deleted = models.BooleanField(default=False)
    error = models.TextField(null=True)
    memory = models.JSONField(default=dict)
    trimmed = models.BigIntegerField(default=0)  # the version at which task runs were last deleted
    start_date = models.DateTimeField()
    end_date = models.DateTimeField(null=True)

    class Meta:
        db_table = "executions"
        verbose_name = "execution"
        indexes = [
            models.Index(fields=["namespace", "flow_id", "-start_date"], name="executions_flow"),
            models.Index(fields=["-start_date"], name="executions_start"),
            models.Index(fields=["state"], condition=~Q(state__in=_STATES), name="executions_live"),
            models.Index(
                fields=["trigger_execution_id"],
                condition=Q(trigger_execution_id__isnull=False),
                name="executions_trigger",
            ),
            GinIndex(fields=["labels"], opclasses=["jsonb_path_ops"], name="executions_labels"),
        ]

    def __str__(self) -> str:
        return f"{self.namespace}.{self.flow_id} {to_base62(self.pk)}"


class TaskRunRecord(models.Model):
    """No foreign key: hot rows must not lock their execution's row a second time."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    execution_id = models.UUIDField()
    task_id = models.TextField()
    parent_id = models.UUIDField(null=True)
    value = models.TextField(null=True)
    iteration = models.IntegerField(null=True)
    state = models.TextField()
    histories = models.JSONField(default=list)
    attempts = models.JSONField(default=list)
    outputs = models.JSONField(null=True)
    outputs_ref = models.BigIntegerField(null=True)
    dynamic = models.BooleanField(default=False)
    memory = models.JSONField(default=dict)
    seq = models.IntegerField()
    version = models.BigIntegerField()

    class Meta:
        db_table = "task_runs"
        verbose_name = "task run"
        indexes = [models.Index(fields=["execution_id", "version"], name="task_runs_execution")]


class Payload(models.Model):
    """A value too large for a message or a hot row (above 8 kB), stored once."""

    id = models.BigAutoField(primary_key=True)
    execution_id = models.UUIDField(db_index=True)
    value = models.JSONField()

    class Meta:
        db_table = "payloads"


class QueueMessage(models.Model):
    """Work (`stream` false) is deleted in the transaction that applies it; stream messages are hints for readers."""

    id = models.BigAutoField(primary_key=True)
    stream = models.BooleanField(default=False)
    type = models.TextField()
    execution_id = models.UUIDField(null=True)
    body = models.JSONField(default=dict)
    tries = models.SmallIntegerField(default=0)
    not_before = models.DateTimeField(null=True)  # back-off of a message that raised
    created = models.DateTimeField()

    class Meta:
        db_table = "queues"
        verbose_name = "queue message"
        indexes = [
            models.Index(fields=["id"], condition=Q(stream=False), name="queues_work"),
            # Apart: taking an execution's work must not walk through the thousand hints of a long one.
            models.Index(fields=["execution_id"], condition=Q(stream=False), name="queues_work_of_execution"),
            models.Index(fields=["execution_id", "id"], condition=Q(stream=True), name="queues_hints_of_execution"),
        ]


class WorkerJob(models.Model):
    """One attempt handed out: the truth about work in flight. Claimed by UPDATE, deleted with the result."""

    id = models.BigAutoField(primary_key=True)
    queue = models.TextField(default="default")
    execution_id = models.UUIDField()
    task_run_id = models.UUIDField()
    token = models.UUIDField()  # the attempt's token, minted by the engine
    task_type = models.TextField()
    light = models.BooleanField(default=False)
    payload = models.JSONField()
    claim = models.IntegerField(default=0)  # counts claims and hand-backs: fences results of an older claim
    claimed_by = models.TextField(null=True)
    claimed_at = models.DateTimeField(null=True)
    deaths = models.SmallIntegerField(default=0)
    kill = models.BooleanField(default=False)
    created = models.DateTimeField()

    class Meta:
        db_table = "worker_jobs"
        verbose_name = "worker job"
        indexes = [
            models.Index(fields=["queue", "id"], name="worker_jobs_queue"),
            models.Index(fields=["execution_id"], name="worker_jobs_execution"),
            models.Index(fields=["task_run_id"], name="worker_jobs_run"),
        ]


class ServiceInstance(models.Model):
    """A running process (web, executor, worker, scheduler). `lock_key` is the session advisory lock it holds."""

    id = models.TextField(primary_key=True)
    kind = models.TextField()
    host = models.TextField(default="")
    pid = models.IntegerField(default=0)
    lock_key = models.BigIntegerField(null=True)
    queues = models.JSONField(default=list)
    threads = models.IntegerField(default=0)
    state = models.TextField(default="RUNNING")  # RUNNING | DRAINING
    started = models.DateTimeField()
    beat = models.DateTimeField()
    facts = models.JSONField(default=dict)

    class Meta:
        db_table = "service_instances"


class LogRecord(models.Model):
    id = models.BigAutoField(primary_key=True)
    execution_id = models.UUIDField(null=True)
    namespace = models.TextField()
    flow_id = models.TextField()
    task_id = models.TextField(null=True)
    task_run_id = models.UUIDField(null=True)
    trigger_id = models.TextField(null=True)
    attempt = models.SmallIntegerField(default=0)
    level = models.SmallIntegerField()  # 0 TRACE 1 DEBUG 2 INFO 3 WARN 4 ERROR
    message = models.TextField()
    thread = models.TextField(default="")
    timestamp = models.DateTimeField()

    class Meta:
        db_table = "logs"
        verbose_name = "log line"
        indexes = [
            models.Index(fields=["execution_id", "id"], name="logs_execution"),
            models.Index(fields=["timestamp"], name="logs_timestamp"),
        ]


class MetricRecord(models.Model):
    id = models.BigAutoField(primary_key=True)
    execution_id = models.UUIDField()
    namespace = models.TextField()
    flow_id = models.TextField()
    task_id = models.TextField(null=True)
    task_run_id = models.UUIDField(null=True)
    name = models.TextField()
    kind = models.TextField()
    value = models.FloatField()
    tags = models.JSONField(default=dict)
    timestamp = models.DateTimeField()

    class Meta:
        db_table = "metrics"
        verbose_name = "metric"
        indexes = [
            models.Index(fields=["execution_id"], name="metrics_execution"),
            models.Index(fields=["namespace", "flow_id", "name", "timestamp"], name="metrics_name"),
        ]


class Timer(models.Model):
    """Every delay, timeout and deadline. One per (execution, kind, key)."""

    id = models.BigAutoField(primary_key=True)
    execution_id = models.UUIDField()
    kind = models.TextField()
    key = models.TextField(default="")
    due = models.DateTimeField()
    variables = models.JSONField(default=dict)

    class Meta:
        db_table = "timers"
        indexes = [models.Index(fields=["due"], name="timers_due")]
        constraints = [models.UniqueConstraint(fields=["execution_id", "kind", "key"], name="timers_key")]


class ConcurrencySlot(models.Model):
    """One row per execution that runs (running) or waits (not running) under a flow's concurrency limit."""

    execution_id = models.UUIDField(primary_key=True)
    namespace = models.TextField()
    flow_id = models.TextField()
    running = models.BooleanField()
    since = models.DateTimeField()

    class Meta:
        db_table = "concurrency_slots"
        indexes = [models.Index(fields=["namespace", "flow_id", "running", "since"], name="concurrency_flow")]


class ConcurrencyLimit(models.Model):
    """The row that is locked before slots of a flow are counted (lock order: execution, task runs, this)."""

    key = models.TextField(primary_key=True)  # namespace/flow_id
    last = models.DateTimeField(null=True)  # when a slot was last asked for, refused, granted or given back

    class Meta:
        db_table = "concurrency_limits"


class DeadLetter(models.Model):
    """A message whose handling raised too often, with the traceback."""

    id = models.BigAutoField(primary_key=True)
    type = models.TextField()
    execution_id = models.UUIDField(null=True)
    body = models.JSONField(default=dict)
    error = models.TextField()
    tries = models.SmallIntegerField(default=0)
    created = models.DateTimeField()
    parked = models.DateTimeField(auto_now_add=True)

    class Meta:
        db_table = "dead_letters"
        verbose_name = "dead letter"


class TriggerRecord(models.Model):
    """State of one trigger of a flow."""

    id = models.BigAutoField(primary_key=True)
    namespace = models.TextField()
    flow_id = models.TextField()
    trigger_id = models.TextField()
    next_date = models.DateTimeField(null=True)
    last_date = models.DateTimeField(null=True)
    execution_id = models.UUIDField(null=True)
    disabled = models.BooleanField(default=False)
    backfill = models.JSONField(null=True)
    state = models.JSONField(default=dict)  # windows of multiple conditions, poll cursors
    updated = models.DateTimeField(auto_now=True)

    class Meta:
        db_table = "triggers"
        constraints = [models.UniqueConstraint(fields=["namespace", "flow_id", "trigger_id"], name="triggers_key")]
        indexes = [models.Index(fields=["next_date"], name="triggers_next")]


class DashboardRecord(models.Model):
    """Charts for everybody who may see anything; each reader's are drawn from what that reader may see."""

    id = models.TextField(primary_key=True)
    title = models.TextField()
    description = models.TextField(blank=True, default="")
    source = models.TextField()
    document = models.JSONField()
    owner = models.TextField(blank=True, default="")  # who wrote it and may change it, besides administrators
    created = models.DateTimeField(auto_now_add=True)
    updated = models.DateTimeField(auto_now=True)

    class Meta:
        db_table = "dashboards"
        verbose_name = "dashboard"

    def __str__(self) -> str:
        return self.title


class TriggerWindow(models.Model):
    """What was met of a condition that several executions meet together, and the outputs of those that met it."""

    id = models.BigAutoField(primary_key=True)
    namespace = models.TextField()
    flow_id = models.TextField()
    trigger_id = models.TextField()
    condition_id = models.TextField()
    met = models.JSONField(default=dict)  # {part: when}
    outputs = models.JSONField(default=dict)
    created = models.DateTimeField()
    updated = models.DateTimeField()

    class Meta:
        db_table = "trigger_windows"
        constraints = [
            models.UniqueConstraint(
                fields=["namespace", "flow_id", "trigger_id", "condition_id"], name="trigger_windows_key"
            )
        ]
        indexes = [models.Index(fields=["updated"], name="trigger_windows_updated")]


class Lineage(models.Model):
    """How many executions have come, directly or not, of one that nobody else started: storms end here."""

    origin = models.TextField(primary_key=True)
    started = models.BigIntegerField()
    updated = models.DateTimeField()

    class Meta:
        db_table = "lineages"
        indexes = [models.Index(fields=["updated"], name="lineages_updated")]


class KeyValue(models.Model):
    id = models.BigAutoField(primary_key=True)
    namespace = models.TextField()
    key = models.TextField()
    type = models.TextField()  # STRING NUMBER BOOLEAN DATETIME DATE DURATION JSON
    value = models.JSONField(null=True)
    description = models.TextField(default="", blank=True)
    expires = models.DateTimeField(null=True)
    created = models.DateTimeField(auto_now_add=True)
    updated = models.DateTimeField(auto_now=True)

    class Meta:
        db_table = "key_values"
        constraints = [models.UniqueConstraint(fields=["namespace", "key"], name="key_values_key")]


class SecretRecord(models.Model):
    """`value` is the encrypted form; `secret('KEY')` finds it in its namespace and those below."""

    id = models.BigAutoField(primary_key=True)
    namespace = models.TextField()
    key = models.TextField()
    value = models.TextField()
    description = models.TextField(default="", blank=True)
    created = models.DateTimeField(auto_now_add=True)
    updated = models.DateTimeField(auto_now=True)

    class Meta:
        db_table = "secrets"
        verbose_name = "secret"
        constraints = [models.UniqueConstraint(fields=["namespace", "key"], name="secrets_key")]

    def __str__(self) -> str:
        return f"{self.namespace} {self.key}"


class ApiToken(models.Model):
    """Only the SHA-256 of the token is kept."""

    id = models.BigAutoField(primary_key=True)
    user = models.ForeignKey("auth.User", on_delete=models.CASCADE)
    name = models.TextField()
    digest = models.CharField(max_length=64, unique=True)
    scopes = models.JSONField(default=list)
    namespaces = models.JSONField(default=list)
    created = models.DateTimeField(auto_now_add=True)
    expires = models.DateTimeField(null=True)
    last_used = models.DateTimeField(null=True)

    class Meta:
        db_table = "api_tokens"


class AuditRecord(models.Model):
    id = models.BigAutoField(primary_key=True)
    timestamp = models.DateTimeField(auto_now_add=True)
    actor = models.TextField()
    action = models.TextField()
    target = models.TextField()
    detail = models.JSONField(default=dict)
    address = models.TextField(default="")

    class Meta:
        db_table = "audit"
        indexes = [models.Index(fields=["timestamp"], name="audit_timestamp")]
