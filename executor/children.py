"""Builds executions that other executions start (Subflow, ForEachItem). Stores nothing."""

from datetime import datetime
from typing import Any

from executions import lineage, reach
from executions.inputs import checked_inputs
from executions.starting import Start, built, refuse_disabled
from executions.state import Execution
from executions.transitions.effects import StartExecution
from executor.connections import Connection
from flows import catalog
from flows.access import Role

# Children of an execution that nobody started are not counted: a ForEachItem may have any number of batches.
_COUNTED_FROM = 1


def start_child(connection: Connection, parent: Execution, effect: StartExecution, now: datetime) -> Execution:
    """Raises FlowNotFound, FlowDisabled, InvalidInputs, InvalidFlow, Exhausted, OutOfReach."""
    reach.check(connection, parent.namespace, effect.namespace, Role.OPERATOR, "start flows of")
    lineage.check_depth(parent)
    if parent.depth >= _COUNTED_FROM:
        (exhausted,) = lineage.spend(connection, [parent])
        if exhausted is not None:
            raise exhausted
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
    execution = built(flow, start, inputs, now, connection=connection)
    execution.parent_task_run = effect.parent_task_run
    execution.depth = effect.depth
    lineage.hand_down(parent, execution)
    return execution
