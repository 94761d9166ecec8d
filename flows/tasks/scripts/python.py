"""scripts.python: Commands and Script."""

from typing import ClassVar

from flows.tasks.scripts.script_task import CommandsTask, FileScriptTask

IMAGE = "ghcr.io/kestra-io/kestrapy"


class Commands(CommandsTask):
    image: ClassVar[str] = IMAGE


class Script(FileScriptTask):
    image: ClassVar[str] = IMAGE
    program: ClassVar[str] = "python"
    suffix: ClassVar[str] = ".py"
