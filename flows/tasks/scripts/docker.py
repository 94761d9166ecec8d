"""Commands in a container, by the `docker` program where an engine can be reached."""

import shutil
import subprocess
from collections.abc import Callable, Mapping, Sequence

from flows.tasks.base import RunContext, TaskFailure


def run(
    context: RunContext,
    image: str,
    command: Sequence[str],
    environment: Mapping[str, str],
    on_line: Callable[[str, str], None],
) -> int:
    """Raises TaskFailure when there is no engine."""
    program = shutil.which("docker")
    reason = "the `docker` program is not installed" if program is None else _unreachable(program)
    if program is None or reason:
        raise TaskFailure(
            f"No container engine can be reached ({reason}); leave `taskRunner` out or use"
            " `io.kestra.plugin.core.runner.Process` to run the commands as a process of the worker"
        )
    directory, name = str(context.working_directory), f"celesta-{context.task_run_id.lower()}"
    context.on_kill(lambda: _remove(program, name))
    given = [part for variable in environment for part in ("-e", variable)]
    return context.run_process(
        [program, "run", "--rm", "--name", name, "-v", f"{directory}:{directory}", "-w", directory, *given, image,
         *command],
        environment,
        on_line,
    )  # fmt: skip


def _unreachable(program: str) -> str:
    try:
        done = subprocess.run([program, "version"], capture_output=True, timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    return "" if done.returncode == 0 else done.stderr.decode("utf-8", "replace").strip().splitlines()[-1]


def _remove(program: str, name: str) -> None:
    subprocess.run([program, "rm", "-f", name], capture_output=True, timeout=30, check=False)
