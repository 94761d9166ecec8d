"""Tables that turn over completely within seconds are cleaned by the number of dead rows, not by a share of the live ones."""

from django.db import migrations

QUEUE_LIKE = ("queues", "worker_jobs", "timers", "concurrency_slots", "service_instances")
GROWING = ("executions", "task_runs", "logs", "payloads")
QUEUE_LIKE_SETTINGS = {
    "autovacuum_vacuum_scale_factor": "0",
    "autovacuum_vacuum_threshold": "2000",
    # Plans must not follow a table that is empty now and full a second later.
    "autovacuum_analyze_scale_factor": "0",
    "autovacuum_analyze_threshold": "20000",
    # A vacuum of such a table is short: it need not pause.
    "autovacuum_vacuum_cost_delay": "0",
}
GROWING_SETTINGS = {
    # A fifth of a million rows would be dead before the default share is reached.
    "autovacuum_vacuum_scale_factor": "0.02",
    "autovacuum_vacuum_threshold": "5000",
    "autovacuum_analyze_scale_factor": "0.05",
}


def _set(table: str, settings: dict[str, str]) -> migrations.RunSQL:
    values = ", ".join(f"{name} = {value}" for name, value in settings.items())
    return migrations.RunSQL(
        f"ALTER TABLE {table} SET ({values})", f"ALTER TABLE {table} RESET ({', '.join(settings)})"
    )


class Migration(migrations.Migration):
    dependencies = [("executions", "0005_audit_is_append_only")]
    operations = [
        *(_set(table, QUEUE_LIKE_SETTINGS) for table in QUEUE_LIKE),
        *(_set(table, GROWING_SETTINGS) for table in GROWING),
    ]
