"""What all script tasks share: files, environment, runner, the outcome. One subclass per language and form."""

from collections.abc import Sequence
from typing import Any, ClassVar

from pydantic import ConfigDict, Field, field_validator

from flows.definition.states import State
from flows.definition.strict import Strict
from flows.expressions.render import is_truthy
from flows.expressions.taint import is_tainted
from flows.tasks.base import Isolation, Json, RunContext, RunnableTask, TaskFailure
from flows.tasks.scripts import docker
from flows.tasks.scripts.files import (
    NamespaceFiles,
    collect_output_files,
    lay_namespace_files,
    local_paths,
    write_input_files,
)
from flows.tasks.scripts.protocol import Console

RUNNERS = ("process", "docker")
PROCESS, DOCKER = "io.kestra.plugin.core.runner.Process", "io.kestra.plugin.scripts.runner.docker.Docker"
_COMMANDS = "CELESTA_COMMANDS"
_SHELLS = ("sh", "bash", "dash", "ash", "zsh", "ksh")


class TaskRunner(Strict):
    """Where the commands run: a process of the worker, or a container. Their other properties are not judged."""

    model_config = ConfigDict(extra="allow")

    type: str

    @field_validator("type")
    @classmethod
    def _is_known(cls, value: str) -> str:
        """Any other would be a surprise: commands meant for a cluster must not run beside the worker."""
        if value.rpartition(".")[2].removesuffix("TaskRunner").lower() not in RUNNERS:
            raise ValueError(f"Invalid task runner {value[:200]}: it must be one of {PROCESS} or {DOCKER}")
        return value

    @property
    def is_docker(self) -> bool:
        return "docker" in self.type.rpartition(".")[2].lower()


class ScriptTask(RunnableTask):
    isolation: ClassVar[Isolation] = Isolation.SUBPROCESS
    image: ClassVar[str] = "ubuntu"  # what Docker runs when the flow does not say

    task_runner: TaskRunner | None = None
    runner: str | None = None  # deprecated: PROCESS or DOCKER
    docker: dict[str, Any] | None = None  # deprecated
    container_image: str | None = None
    interpreter: tuple[str, ...] = ("/bin/sh", "-c")
    before_commands: Any = ()
    env: Any = Field(default_factory=dict)
    warning_on_std_err: Any = True
    fail_fast: Any = True
    target_os: str = Field(default="AUTO", alias="targetOS")
    output_directory: bool | None = None
    namespace_files: NamespaceFiles | None = None
    input_files: Any = None
    output_files: Any = ()

    def commands_of(self, context: RunContext, extra: dict[str, Json]) -> list[str]:
        """The shell lines to run, rendered; scripts write their file first."""
        raise NotImplementedError

    def run(self, context: RunContext) -> dict[str, Json] | None:
        directory = context.working_directory
        output_directory = directory / "output"
        extra: dict[str, Json] = {"workingDir": str(directory), "outputDir": str(output_directory)}
        if self._uses_output_directory():
            output_directory.mkdir()
        lay_namespace_files(context, self.namespace_files)
        write_input_files(context, self.input_files, extra)
        command = self._command(context, extra)
        environment = self._environment(context, extra)
        console = Console(context)
        code = self._start(context, command, environment, console)
        return self._outcome(context, code, console, extra)

    def _uses_output_directory(self) -> bool:
        return bool(self.output_directory) or "outputDir" in self.model_dump_json()

    def _command(self, context: RunContext, extra: dict[str, Json]) -> list[str]:
        rendered = [*_list(context, self.before_commands, extra), *self.commands_of(context, extra)]
        lines = [local_paths(context, line) for line in rendered]
        interpreter = [context.render(part, extra) for part in self.interpreter]
        shell = interpreter[0].rpartition("/")[2] if interpreter else ""
        if is_truthy(context.render(_text(self.fail_fast), extra)) and shell in _SHELLS:
            lines.insert(0, "set -e")
        if is_tainted(rendered) and shell in _SHELLS:
            # Everybody on the machine may read command lines, an environment only its owner.
            extra[_COMMANDS] = "\n".join(lines)
            return [*interpreter, f'c=${_COMMANDS}; unset {_COMMANDS}; eval "$c"']
        return [*interpreter, "\n".join(lines)]

    def _environment(self, context: RunContext, extra: dict[str, Json]) -> dict[str, str]:
        given = context.render_typed(self.env, extra) if isinstance(self.env, str) else context.render(self.env, extra)
        environment = {str(name): "" if value is None else str(value) for name, value in (given or {}).items()}
        environment["WORKING_DIR"] = str(extra["workingDir"])
        if _COMMANDS in extra:
            environment[_COMMANDS] = str(extra[_COMMANDS])
        if self._uses_output_directory():
            environment["OUTPUT_DIR"] = str(extra["outputDir"])
        return environment

    def _start(self, context: RunContext, command: Sequence[str], environment: dict[str, str], console: Console) -> int:
        if self._wants_docker():
            image = context.render(self.container_image or (self.docker or {}).get("image") or self.image)
            properties = (self.task_runner.model_extra if self.task_runner is not None else self.docker) or {}
            return docker.run(context, image, command, environment, console.take, properties)
        try:
            return context.run_process(command, environment, console.take)
        except FileNotFoundError as error:
            raise TaskFailure(f"Cannot start {command[0]}: {error.strerror}") from None

    def _wants_docker(self) -> bool:
        if self.task_runner is not None:
            return self.task_runner.is_docker
        return (self.runner or "").upper() == "DOCKER"

    def _outcome(self, context: RunContext, code: int, console: Console, extra: dict[str, Json]) -> dict[str, Json]:
        directory = context.working_directory
        files = collect_output_files(context, _list(context, self.output_files, extra), directory)
        if self._uses_output_directory():
            files |= collect_output_files(context, ["**"], directory / "output")
        outputs: dict[str, Json] = {
            "exitCode": code,
            "vars": console.vars,
            "outputFiles": files,
            "stdOutLineCount": console.out_lines,
            "stdErrLineCount": console.err_lines,
        }
        if code != 0:
            raise TaskFailure(f"Command failed with exit code {code}", outputs)
        if console.err_lines and is_truthy(context.render(_text(self.warning_on_std_err), extra)):
            raise TaskFailure("", outputs, State.WARNING)
        return outputs


class CommandsTask(ScriptTask):
    commands: Any

    def commands_of(self, context: RunContext, extra: dict[str, Json]) -> list[str]:
        return _list(context, self.commands, extra)


class FileScriptTask(ScriptTask):
    """A script in a file that `program` runs."""

    program: ClassVar[str]
    suffix: ClassVar[str]

    script: str

    def commands_of(self, context: RunContext, extra: dict[str, Json]) -> list[str]:
        path = context.working_directory / f"script{self.suffix}"
        path.write_text(local_paths(context, context.render(self.script, extra)))
        return [f"{self.program} {path.name}"]


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _list(context: RunContext, value: Any, extra: dict[str, Json]) -> list[str]:
    """A list of texts, or one text, or a template of a list."""
    if isinstance(value, str):
        value = context.render_typed(value, extra)
        return [_as_text(item) for item in value] if isinstance(value, list) else [_as_text(value)]
    return [_as_text(context.render(item, extra)) for item in value or ()]


def _as_text(value: Any) -> str:
    """A text as it is: secret ones know that they are."""
    return value if isinstance(value, str) else str(value)
