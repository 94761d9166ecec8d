"""templating.TemplatedTask: a task whose whole text is a template, read and run on the worker."""

from flows.definition.errors import InvalidFlow
from flows.definition.parse import parse_task
from flows.tasks.base import Json, RunContext, RunnableTask, TaskFailure


class TemplatedTask(RunnableTask):
    aliases = ("io.kestra.core.tasks.templating.TemplatedTask",)

    spec: str

    def run(self, context: RunContext) -> dict[str, Json] | None:
        text = context.render(self.spec)
        try:
            task = parse_task(text, task_id=self.id)
        except InvalidFlow as error:
            raise TaskFailure(f"The rendered spec is not a task: {error}") from None
        if isinstance(task, TemplatedTask):
            raise TaskFailure("The templated task cannot be of type 'io.kestra.plugin.core.templating.TemplatedTask'")
        if not isinstance(task, RunnableTask):
            raise TaskFailure("The templated task must be a runnable task")
        return context.run_as(task)
