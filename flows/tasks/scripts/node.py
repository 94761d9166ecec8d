"""scripts.node: Commands and Script."""

from typing import ClassVar

from flows.tasks.scripts.script_task import CommandsTask, FileScriptTask

IMAGE = "node"


class Commands(CommandsTask):
    image: ClassVar[str] = IMAGE


class Script(FileScriptTask):
    image: ClassVar[str] = IMAGE
    program: ClassVar[str] = "node"
    suffix: ClassVar[str] = ".js"
