"""Runs one claimed job to its outcome: finds the task and runs it."""

import logging
from collections.abc import Mapping
from typing import Any

from executions import codec
from executions.ids import to_uuid
from executor.worker.attempt import Attempt
from executor.worker.context import Context
from executor.worker.outcome import Outcome, carried_out_by_isolation, ended_as, stopped_outcome
from executor.worker.slots import Held
from executor.worker.tools import Tools
from flows.definition.states import State

Json = Any
log = logging.getLogger("celesta.worker")


def run(job: Held, tools: Tools) -> Outcome:
    """Never raises: whatever happens is an outcome."""
    payload = codec.loads(job.payload)
    attempt = job.attempt = _attempt(payload)
    try:
        if job.kill:
            attempt.stop(killed=True)
            return stopped_outcome(attempt)
        return _run(payload, attempt, tools)
    except BaseException as error:
        log.exception("job %d", job.id)
        attempt.log("ERROR", f"{type(error).__name__}: {error}")
        return ended_as(attempt, State.FAILED, f"{type(error).__name__}: {error}")


def _attempt(payload: Mapping[str, Json]) -> Attempt:
    context = payload["context"]
    flow, task_run = context["flow"], context["taskrun"]
    place = {
        "execution_id": to_uuid(context["execution"]["id"]).hex,
        "namespace": flow["namespace"],
        "flow_id": flow["id"],
        "task_id": task_run["taskId"],
        "task_run_id": to_uuid(payload["task_run_id"]).hex,
    }
    number = int(task_run.get("attemptsCount") or 0)
    return Attempt(payload["task_run_id"], payload["token"], number, place)


def _run(payload: Mapping[str, Json], attempt: Attempt, tools: Tools) -> Outcome:
    try:
        task = tools.task(payload)
        context = Context(payload["context"], task, attempt, tools)
    except Exception as error:
        attempt.log("ERROR", str(error))
        return ended_as(attempt, State.FAILED, str(error))
    return carried_out_by_isolation(payload, task, context, attempt, tools)
