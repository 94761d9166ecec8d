"""What the *Execution notifications tell: about the execution itself or, in a flow that a trigger started, another one."""

from collections.abc import Mapping
from typing import Any

from flows.definition.strict import Strict
from flows.tasks.base import Json, RunContext
from flows.tasks.core.rendering import mapping, required, text

COLORS = {"SUCCESS": "#0ba657", "WARNING": "#dd5f00", "FAILED": "#ab0009", "KILLED": "#6c4171", "RUNNING": "#8405ff"}


class AboutExecution(Strict):
    """The properties that these tasks share."""

    execution_id: str = "{{ execution.id }}"
    custom_fields: Any = None
    custom_message: str | None = None

    def facts(self, context: RunContext) -> dict[str, Json]:
        found: dict[str, Json] = context.platform.execution(required(context, self.execution_id, "executionId"))
        return found

    def told(self, context: RunContext, facts: Mapping[str, Json]) -> list[tuple[str, str]]:
        """(name, value), in the order they are shown."""
        lines = [
            ("Namespace", facts["namespace"]),
            ("Flow", facts["flowId"]),
            ("Execution", facts["id"]),
            ("Execution Status", facts["state"]),
            ("Started", facts["startDate"]),
            ("Duration", facts["duration"]),
        ]
        if facts.get("failedTask"):
            lines.append(("Final task ID", facts["failedTask"]))
        lines += mapping(context, self.custom_fields, "customFields").items() if self.custom_fields is not None else []
        return [(str(name), value if isinstance(value, str) else str(value)) for name, value in lines]

    def message(self, context: RunContext, facts: Mapping[str, Json]) -> str:
        own = text(context, self.custom_message)
        headline = f"{facts['namespace']}.{facts['flowId']} execution {facts['id']} is {facts['state']}"
        return f"{headline}\n{own}" if own else headline
