"""Every log line of the executor and its counters. The loops tell what happened; how it is said is decided here."""

import logging
import threading
from collections import Counter
from typing import Any

log = logging.getLogger("celesta.executor")

_LEVELS = {
    "executor.started": logging.INFO,
    "executor.stopping": logging.INFO,
    "executor.stopped": logging.INFO,
    "queues.cleaned": logging.INFO,
    "executions.purged": logging.INFO,
    "audit.purged": logging.INFO,
    "database.lost": logging.WARNING,
    "database.back": logging.INFO,
    "transaction.again": logging.WARNING,
    "batch.failed": logging.WARNING,
    "message.failed": logging.WARNING,
    "message.parked": logging.ERROR,
    "message.dropped": logging.INFO,
    "execution.failed_hard": logging.ERROR,
    "resolve.late": logging.WARNING,
    "worker.lost": logging.WARNING,
    "jobs.lost": logging.WARNING,
    "jobs.rung": logging.INFO,
    "loop.failed": logging.ERROR,
}

BOUNDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)  # seconds

_lock = threading.Lock()
_counters: Counter[str] = Counter()


def tell(event: str, *, exc_info: bool = False, **facts: Any) -> None:
    """One event, one line: `event name=value ...`."""
    told = " ".join(f"{name}={_shown(value)}" for name, value in facts.items())
    beside = {"event_name": event, "facts": facts}
    log.log(_LEVELS.get(event, logging.INFO), "%s %s", event, told, exc_info=exc_info, extra=beside)


def count(name: str, by: int = 1) -> None:
    with _lock:
        _counters[name] += by


def observe(name: str, seconds: float) -> None:
    """A time, counted in the bucket that it falls into (`<name>_le_<bound>`) and summed (`<name>_us`)."""
    bound = next((limit for limit in BOUNDS if seconds <= limit), "inf")
    with _lock:
        _counters[f"{name}_le_{str(bound).replace('.', '_')}"] += 1
        _counters[f"{name}_us"] += int(seconds * 1e6)


def counters() -> dict[str, int]:
    """A copy: stored with the service's heartbeat, read by pages and metrics."""
    with _lock:
        return dict(_counters)


def _shown(value: Any) -> str:
    text = str(value)
    return repr(text) if " " in text or not text else text
