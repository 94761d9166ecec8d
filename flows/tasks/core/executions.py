"""core.execution tasks that act on other executions: Resume, Kill, Count, PurgeExecutions; and Assert."""

from typing import Any

from pydantic import Field

from flows.definition.states import TERMINAL, State
from flows.definition.strict import Strict
from flows.expressions.render import is_truthy
from flows.tasks.base import Json, RunContext, RunnableTask, TaskFailure
from flows.tasks.core.rendering import mapping, moment, one_of, required, switch, text, texts

STATES = tuple(state.value for state in State)
ENDED = tuple(state.value for state in State if state in TERMINAL)


class Resume(RunnableTask):
    """Without an id: the execution itself goes on (a task beside its Pause)."""

    namespace: str | None = None
    flow_id: str | None = None
    execution_id: str | None = None
    inputs: Any = None

    def run(self, context: RunContext) -> dict[str, Json] | None:
        inputs = None if self.inputs is None else mapping(context, self.inputs, "inputs")
        context.platform.resume(text(context, self.execution_id) or context.execution_id, inputs)
        return None


class Kill(RunnableTask):
    execution_id: str
    propagate_kill: Any = True

    def run(self, context: RunContext) -> dict[str, Json] | None:
        cascade = switch(context, self.propagate_kill, "propagateKill")
        context.platform.kill(required(context, self.execution_id, "executionId"), cascade=cascade)
        return None


class CountedFlow(Strict):
    namespace: str
    flow_id: str


class Count(RunnableTask):
    """How often flows ran; `expression` sees `count`, `namespace` and `flowId` and keeps a result or drops it."""

    flows: tuple[CountedFlow, ...] | None = None
    namespaces: Any = None
    states: Any = None
    start_date: str | None = None
    end_date: str | None = None
    expression: str

    def run(self, context: RunContext) -> dict[str, Json] | None:
        flows = [(str(context.render(one.namespace)), str(context.render(one.flow_id))) for one in self.flows or ()]
        counts = context.platform.count_executions(
            flows=flows or None,
            namespaces=texts(context, self.namespaces, "namespaces") or None,
            states=[one_of(state, STATES, "states") for state in texts(context, self.states, "states")] or None,
            since=moment(context, self.start_date, "startDate"),
            until=moment(context, self.end_date, "endDate"),
        )
        results = []
        for found in counts:
            known = {"count": found.count, "namespace": found.namespace, "flowId": found.flow_id}
            if is_truthy(context.render(self.expression, known)):
                results.append({name: value for name, value in known.items() if value is not None})
        return {"results": results, "total": sum(result["count"] for result in results)}


class PurgeExecutions(RunnableTask):
    """Ended executions with what belongs to them; `namespace` without `flowId` also means those below it."""

    namespace: str | None = None
    flow_id: str | None = None
    start_date: str | None = None
    end_date: str
    states: Any = None
    purge_execution: Any = True
    purge_log: Any = True
    purge_metric: Any = True
    purge_storage: Any = True
    batch_size: Any = Field(default=100)

    def run(self, context: RunContext) -> dict[str, Json] | None:
        namespace, flow_id = text(context, self.namespace), text(context, self.flow_id)
        if flow_id and not namespace:
            raise TaskFailure("`flowId` needs a `namespace`")
        done = context.platform.purge_executions(
            flows=[(namespace, flow_id)] if flow_id else None,
            prefix=None if flow_id else namespace,
            states=[one_of(state, ENDED, "states") for state in texts(context, self.states, "states")] or None,
            since=moment(context, self.start_date, "startDate"),
            until=moment(context, self.end_date, "endDate"),
            rows=switch(context, self.purge_execution, "purgeExecution"),
            log_lines=switch(context, self.purge_log, "purgeLog"),
            metrics=switch(context, self.purge_metric, "purgeMetric"),
            files=switch(context, self.purge_storage, "purgeStorage"),
        )
        return {
            "executionsCount": done.executions,
            "logsCount": done.logs,
            "metricsCount": done.metrics,
            "storagesCount": done.files,
        }


class Assert(RunnableTask):
    conditions: Any
    error_message: str | None = None

    def run(self, context: RunContext) -> dict[str, Json] | None:
        conditions = self.conditions if isinstance(self.conditions, list | tuple) else [self.conditions]
        failed = 0
        for condition in conditions:
            if not is_truthy(context.render(str(condition))):
                failed += 1
                context.log("ERROR", f"Assertion `{condition}` failed")
        context.metric("failed", failed)
        context.metric("success", len(conditions) - failed)
        if failed:
            reason = f"{failed} assertion{'s' if failed > 1 else ''} failed"
            told = text(context, self.error_message)
            raise TaskFailure(f"{reason}: {told}" if told else reason)
        return None
