"""The settings in force as lines for people, without secrets: start-up log and `check --deploy`."""

from datetime import timedelta

from flows.definition.durations import format_duration
from orchestrator_site import postgres
from orchestrator_site.environment import CelestaSettings


def lines(celesta: CelestaSettings, conninfo: str) -> list[str]:
    broker = "PostgreSQL itself" if celesta.broker_url is None else celesta.broker_url.split("@")[-1]
    kind = "embedded: " if postgres.is_embedded() else ""
    return [
        f"home {celesta.home}; listens on {celesta.host}:{celesta.port}; address {celesta.public_url}",
        f"database {kind}{postgres.shown(conninfo)}; Celery over {broker}; queues on {celesta.queue_backend}",
        f"executor: {celesta.executor_threads} loop(s), poll {celesta.executor_poll_ms} ms; "
        f"worker: {celesta.worker_concurrency} {celesta.worker_pool}",
        f"queue messages are kept {_shown(celesta.queues_retention)}, those of high cardinality "
        f"{_shown(celesta.queues_retention_high_cardinality)}; cleaned every {_shown(celesta.queues_clean_interval)}",
        f"executions are kept {f'by {len(celesta.retention)} rule(s) of CELESTA_RETENTION' if celesta.retention else 'for ever'}",
        f"audit rows are kept {_shown(celesta.audit_retention) if celesta.audit_retention else 'for ever'}; "
        f"OpenTelemetry {'on' if celesta.otel else 'off'}",
        f"{len(celesta.secrets)} secrets; {len(celesta.envs)} variables for flows; encryption "
        f"{'on' if celesta.encryption_keys else 'off'}; "
        f"task modules: {', '.join(celesta.task_modules) or 'none'}",
    ]


def _shown(duration: timedelta) -> str:
    """As it would be written in a setting: P7D, PT1H."""
    return format_duration(duration) if duration % timedelta(days=1) else f"P{duration.days}D"
