"""core.kv: typed key-value pairs of a namespace, set, read and deleted by tasks."""

from typing import Any

from flows.tasks.base import Json, RunContext, RunnableTask, TaskFailure
from flows.tasks.core.rendering import duration, one_of, required, switch, text

TYPES = ("STRING", "NUMBER", "BOOLEAN", "DATETIME", "DATE", "DURATION", "JSON")


class KeyValueTask(RunnableTask):
    namespace: str = "{{ flow.namespace }}"

    def place(self, context: RunContext) -> str:
        return required(context, self.namespace, "namespace")


class Set(KeyValueTask):
    key: str
    value: Any
    overwrite: Any = True
    ttl: str | None = None
    kv_type: str | None = None
    kv_description: str | None = None

    def run(self, context: RunContext) -> dict[str, Json] | None:
        type_name = text(context, self.kv_type)
        context.platform.kv_put(
            self.place(context),
            required(context, self.key, "key"),
            context.render_typed(self.value),
            type_name=one_of(type_name, TYPES, "kvType") if type_name else None,
            ttl=duration(context, self.ttl, "ttl"),
            description=text(context, self.kv_description),
            overwrite=switch(context, self.overwrite, "overwrite"),
        )
        return None


class Get(KeyValueTask):
    """In the flow's own namespace also what its parents have."""

    key: str
    error_on_missing: Any = False

    def run(self, context: RunContext) -> dict[str, Json] | None:
        namespace, key = self.place(context), required(context, self.key, "key")
        pair = context.platform.kv_get(namespace, key, inherit=namespace == context.namespace)
        if pair is None and switch(context, self.error_on_missing, "errorOnMissing"):
            raise missing(key, namespace)
        return {"value": None if pair is None else pair.value}


class GetKeys(KeyValueTask):
    prefix: str | None = None

    def run(self, context: RunContext) -> dict[str, Json] | None:
        return {"keys": context.platform.kv_keys(self.place(context), text(context, self.prefix) or "")}


class Delete(KeyValueTask):
    key: str
    error_on_missing: Any = False

    def run(self, context: RunContext) -> dict[str, Json] | None:
        namespace, key = self.place(context), required(context, self.key, "key")
        deleted = context.platform.kv_delete(namespace, key)
        if not deleted and switch(context, self.error_on_missing, "errorOnMissing"):
            raise missing(key, namespace)
        return {"deleted": deleted}


def missing(key: str, namespace: str) -> TaskFailure:
    return TaskFailure(f"No value found for key '{key}' in namespace '{namespace}' and `errorOnMissing` is set to true")
