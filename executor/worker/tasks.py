"""The one Celery task: runs jobs of `worker_jobs` by their ids. No data travels in its message, and no code."""

from collections.abc import Sequence

from celery import shared_task

from executor.worker import process


@shared_task(name="celesta.run", ignore_result=True, acks_late=True, reject_on_worker_lost=True, max_retries=0)
def run(jobs: Sequence[tuple[int, str | None]], holder: str | None = None) -> None:
    """`jobs` are (id, attempt token); the token is left out for jobs that this process holds already. Never raises."""
    process.current().run_named(jobs, holder)
