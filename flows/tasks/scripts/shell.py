"""scripts.shell: Commands and Script."""

from flows.tasks.base import Json, RunContext
from flows.tasks.scripts.script_task import CommandsTask, ScriptTask


class Commands(CommandsTask):
    pass


class Script(ScriptTask):
    """The script is what the interpreter is given, as Kestra does it: no file."""

    script: str

    def commands_of(self, context: RunContext, extra: dict[str, Json]) -> list[str]:
        return [context.render(self.script, extra)]
