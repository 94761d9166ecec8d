"""core.trigger.Toggle: a trigger of a flow switched on or off."""

from typing import Any

from flows.tasks.base import Json, RunContext, RunnableTask
from flows.tasks.core.rendering import required, switch, text


class Toggle(RunnableTask):
    namespace: str | None = None
    flow_id: str | None = None
    trigger: str
    enabled: Any = False

    def run(self, context: RunContext) -> dict[str, Json] | None:
        context.platform.toggle_trigger(
            text(context, self.namespace) or context.namespace,
            text(context, self.flow_id) or context.flow_id,
            required(context, self.trigger, "trigger"),
            enabled=switch(context, self.enabled, "enabled"),
        )
        return None
