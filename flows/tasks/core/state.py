"""core.state (deprecated in favour of core.kv): a map kept between executions, in the key-values of the namespace."""

import hashlib
import re
from typing import Any

from pydantic import Field

from flows.tasks.base import Json, RunContext, RunnableTask, TaskFailure
from flows.tasks.core.rendering import mapping, required, switch


class StateTask(RunnableTask):
    name: str = "default"
    namespace: Any = False  # shared by the flows of the namespace
    taskrun_value: Any = True  # one per value of the loop around

    def key(self, context: RunContext) -> str:
        """A valid key for any name: what does not fit is told apart by a hash."""
        name = required(context, self.name, "name")
        flow = "" if switch(context, self.namespace, "namespace") else f"{context.flow_id}_"
        value = (
            context.render("{{ taskrun.value ?? '' }}") if switch(context, self.taskrun_value, "taskrunValue") else ""
        )
        own = f"{flow}states_{re.sub(r'[^a-zA-Z0-9._-]', '-', name)[:100]}"
        exact = f"{name}\x00{value}"
        return own if exact == f"{name}\x00" and own.endswith(name) else f"{own}_{_digest(exact)}"

    def stored(self, context: RunContext) -> dict[str, Json] | None:
        pair = context.platform.kv_get(context.namespace, self.key(context))
        return None if pair is None else dict(pair.value)

    def missing(self, context: RunContext) -> TaskFailure:
        return TaskFailure(f"State {context.render(self.name)} not found")


def _digest(content: str) -> str:
    return hashlib.sha256(content.encode("utf-8", "replace")).hexdigest()[:16]


class Get(StateTask):
    error_on_missing: Any = False

    def run(self, context: RunContext) -> dict[str, Json] | None:
        found = self.stored(context)
        if found is None and switch(context, self.error_on_missing, "errorOnMissing"):
            raise self.missing(context)
        return {"count": len(found or {}), "data": found or {}}


class Set(StateTask):
    """Merged over what is there."""

    data: dict[str, Any] | str = Field(default_factory=dict)

    def run(self, context: RunContext) -> dict[str, Json] | None:
        merged = {**(self.stored(context) or {}), **mapping(context, self.data, "data")}
        key = self.key(context)
        context.platform.kv_put(context.namespace, key, merged, type_name="JSON")
        return {"count": len(merged), "key": key}


class Delete(StateTask):
    error_on_missing: Any = False

    def run(self, context: RunContext) -> dict[str, Json] | None:
        deleted = context.platform.kv_delete(context.namespace, self.key(context))
        if not deleted and switch(context, self.error_on_missing, "errorOnMissing"):
            raise self.missing(context)
        return {"deleted": deleted}
