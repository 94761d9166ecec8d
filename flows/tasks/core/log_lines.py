"""core.log.Fetch and PurgeLogs: the logs of executions into a file, or away."""

from typing import Any

from flows.expressions.ion import to_ion
from flows.tasks.base import Json, RunContext, RunnableTask, TaskFailure
from flows.tasks.core.rendering import moment, one_of, text, texts

LEVELS = ("TRACE", "DEBUG", "INFO", "WARN", "ERROR")


class Fetch(RunnableTask):
    namespace: str | None = None
    flow_id: str | None = None
    execution_id: str | None = None
    tasks_id: Any = None
    level: str = "INFO"

    def run(self, context: RunContext) -> dict[str, Json] | None:
        execution_id = text(context, self.execution_id)
        namespace, flow_id = text(context, self.namespace), text(context, self.flow_id)
        if execution_id is None and (namespace or flow_id):
            raise TaskFailure("`namespace` and `flowId` need an `executionId`")
        level = one_of(str(context.render(self.level)), LEVELS, "level")
        lines = context.platform.log_lines(
            execution_id=execution_id or context.execution_id,
            namespace=namespace,
            flow_id=flow_id,
            task_ids=texts(context, self.tasks_id, "tasksId") if self.tasks_id is not None else None,
            levels=LEVELS[LEVELS.index(level) :],
        )
        count = 0
        target = context.working_directory / "logs.ion"
        with target.open("w", encoding="utf-8") as file:
            for line in lines:
                file.write(to_ion(line) + "\n")
                count += 1
        return {"size": count, "uri": context.upload(target, "logs.ion")}


class PurgeLogs(RunnableTask):
    """Of a flow, or of a namespace and those below it, or of all."""

    namespace: str | None = None
    flow_id: str | None = None
    execution_id: str | None = None
    log_levels: Any = None
    start_date: str | None = None
    end_date: str

    def run(self, context: RunContext) -> dict[str, Json] | None:
        levels = texts(context, self.log_levels, "logLevels")
        count = context.platform.purge_logs(
            namespace=text(context, self.namespace),
            flow_id=text(context, self.flow_id),
            execution_id=text(context, self.execution_id),
            levels=[one_of(level, LEVELS, "logLevels") for level in levels] or None,
            since=moment(context, self.start_date, "startDate"),
            until=moment(context, self.end_date, "endDate"),
        )
        return {"count": count}
