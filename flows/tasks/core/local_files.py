"""core.storage.LocalFiles (deprecated): files into the working directory, or out of it into the internal storage."""

from typing import Any

from flows.tasks.base import Json, RunContext, RunnableTask
from flows.tasks.core.rendering import texts
from flows.tasks.scripts.files import collect_output_files, write_input_files


class LocalFiles(RunnableTask):
    inputs: Any = None
    outputs: Any = None

    def run(self, context: RunContext) -> dict[str, Json] | None:
        write_input_files(context, self.inputs)
        patterns = texts(context, self.outputs, "outputs")
        return {"uris": collect_output_files(context, patterns, context.working_directory)}
