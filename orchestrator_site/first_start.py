"""What a new installation gets: an administrator, the example flows, and one run of the order flow."""

import json
import secrets
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.conf import settings
from django.contrib.auth.models import User
from django.core.management import call_command

from executions import actions
from executions.ids import to_uuid
from executions.models import ExecutionRecord, TaskRunRecord
from flows.definition.states import TERMINAL
from flows.models import FlowRecord

EXAMPLES = Path(settings.BASE_DIR) / "flows" / "examples"
ORDER_FLOW = ("company.team", "order")
SHOWN_OUTPUTS = ("order_id", "customer_name", "address", "total_price")
RUN_SECONDS = 60.0


def ensure_administrator() -> str | None:
    """The random password when one was made: it is known to nobody else and stored hashed only."""
    wanted, given = settings.CELESTA.admin_username, settings.CELESTA.admin_password
    user = User.objects.filter(username=wanted).first()
    if user is None:
        if given is None and User.objects.filter(is_superuser=True, is_active=True).exists():
            return None
        password = given or secrets.token_urlsafe(12)
        User.objects.create_superuser(wanted, password=password)
        return None if given else password
    if given is not None and not user.check_password(given):
        user.set_password(given)
        user.save(update_fields=["password"])
    return None


def load_examples() -> bool:
    """Only where no flow was ever saved: examples that were deleted stay deleted."""
    if FlowRecord.objects.exists():
        return False
    call_command("import_flows", str(EXAMPLES), verbosity=0)
    return True


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
