"""The article's order flow, run once on a real order document."""

import json
import time
from dataclasses import dataclass
from typing import Any

from executions import actions
from executions.ids import to_uuid
from executions.models import ExecutionRecord, TaskRunRecord
from flows.definition.states import TERMINAL
from orchestrator_site.first_start import EXAMPLES

ORDER_FLOW = ("company.team", "order")
SHOWN_OUTPUTS = ("order_id", "customer_name", "address", "total_price")
RUN_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Outcome:
    execution_id: str
    state: str
    outputs: dict[str, Any]
    seconds: float


def run_order() -> Outcome:
    """Runs the order flow on the order document and waits for its end."""
    document = json.loads((EXAMPLES / "order.json").read_text(encoding="utf-8"))
    began = time.monotonic()
    execution_id = actions.trigger(*ORDER_FLOW, {"order": document}).id
    record = _wait_for_end(execution_id, began + RUN_SECONDS)
    run = TaskRunRecord.objects.filter(execution_id=to_uuid(execution_id), task_id="transform").first()
    outputs = (run.outputs or {}).get("value") if run else None
    shown = {name: outputs.get(name) for name in SHOWN_OUTPUTS} if isinstance(outputs, dict) else {}
    return Outcome(execution_id, record.state, shown, time.monotonic() - began)


def _wait_for_end(execution_id: str, deadline: float) -> ExecutionRecord:
    while True:
        record = ExecutionRecord.objects.get(id=to_uuid(execution_id))
        if record.state in TERMINAL or time.monotonic() > deadline:
            return record
        time.sleep(0.01)
