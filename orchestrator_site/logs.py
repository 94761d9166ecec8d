"""Log lines for machines: one JSON object per line, with the facts of an event as fields of their own."""

import logging
from collections.abc import MutableMapping
from typing import Any

import structlog


def formatter() -> logging.Formatter:
    """For `LOGGING`: CELESTA_LOG_FORMAT=json."""
    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=[
            structlog.stdlib.add_log_level,
            structlog.stdlib.add_logger_name,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            _with_facts,
            structlog.processors.format_exc_info,
        ],
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            structlog.processors.JSONRenderer(default=str),
        ],
    )


def _with_facts(logger: Any, name: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """What `executor.telemetry` tells comes as facts beside the line; its first word is the event."""
    record = event.get("_record")
    facts = getattr(record, "facts", None)
    if isinstance(facts, dict):
        event["event"] = getattr(record, "event_name", event["event"])
        event.update({key: value for key, value in facts.items() if key not in event})
    return event
