"""Builds executions that other executions start (Subflow, ForEachItem). Stores nothing."""

from datetime import datetime
from typing import Any

from executions.inputs import checked_inputs
from executions.starting import Start, built, refuse_disabled
from executions.state import Execution
from executions.transitions.effects import StartExecution
from executor.connections import Connection
from flows import catalog

# A flow that starts itself for ever is stopped here, not by the disk.
MAX_DEPTH = 100


class TooDeep(Exception):
    def __init__(self) -> None:
        super().__init__(f"executions that start each other are nested deeper than {MAX_DEPTH}")


def start_child(connection: Connection, effect: StartExecution, now: datetime) -> Execution:
    """Raises FlowNotFound, FlowDisabled, InvalidInputs, InvalidFlow, TooDeep."""
    if effect.depth > MAX_DEPTH:
        raise TooDeep
    flow = catalog.load(connection, effect.namespace, effect.flow_id, effect.revision)
    refuse_disabled(flow)
    start = Start(
        labels=effect.labels,
        schedule_date=effect.schedule_date,
        trigger=effect.trigger,
        variables=effect.variables,
        execution_id=effect.execution_id,
    )
    files: dict[str, Any] = {}
    inputs = checked_inputs(flow, effect.inputs, files, effect.execution_id, effect.trigger, connection=connection)
    execution = built(flow, start, inputs, now)
    execution.parent_task_run = effect.parent_task_run
    execution.depth = effect.depth
    return execution
