"""Commands in a container, by the `docker` program where an engine can be reached."""

import os
import shutil
import subprocess
from collections.abc import Callable, Mapping, Sequence

from flows.tasks.base import Json, RunContext, TaskFailure

# Kestra's properties of its Docker runner that become options; anything that opens the machine to a flow is refused.
_OPTIONS = {
    "networkMode": "--network", "user": "--user", "shmSize": "--shm-size", "pullPolicy": "--pull",
}  # fmt: skip
_PULL = {"ALWAYS": "always", "IF_NOT_PRESENT": "missing", "NEVER": "never"}
_REFUSED = ("volumes", "privileged", "deviceRequests", "host", "config", "credentials")


def run(
    context: RunContext,
    image: str,
    command: Sequence[str],
    environment: Mapping[str, str],
    on_line: Callable[[str, str], None],
    properties: Mapping[str, Json] | None = None,
) -> int:
    """Raises TaskFailure when there is no engine, or for a property that is not allowed."""
    options = options_of(context.render(dict(properties or {})))
    program = shutil.which("docker")
    reason = "the `docker` program is not installed" if program is None else _unreachable(program)
    if program is None or reason:
        raise TaskFailure(
            f"No container engine can be reached ({reason}); leave `taskRunner` out or use"
            " `io.kestra.plugin.core.runner.Process` to run the commands as a process of the worker"
        )
    directory, name = str(context.working_directory), f"celesta-{context.task_run_id}-{context.attempt}"
    context.on_kill(lambda: _remove(program, name))
    given = [part for variable in environment for part in ("-e", variable)]
    # The engine's address is the operator's business; the program is ours and needs the worker's account to reach it.
    own = {variable: value for variable, value in os.environ.items() if variable.startswith("DOCKER_")}
    return context.run_process(
        [program, "run", "--rm", "--name", name, "-v", f"{directory}:{directory}", "-w", directory, *options, *given,
         image, *command],
        {**environment, **own},
        on_line,
        as_worker=True,
    )  # fmt: skip


def options_of(properties: Mapping[str, Json]) -> list[str]:
    """Raises TaskFailure."""
    for name in _REFUSED:
        if properties.get(name):
            raise TaskFailure(f"The property `{name}` of the Docker runner is not allowed here")
    found: list[str] = []
    for name, option in _OPTIONS.items():
        value = properties.get(name)
        if value is not None:
            found += [option, _PULL.get(str(value).upper(), str(value)) if name == "pullPolicy" else str(value)]
    memory, cpu = properties.get("memory") or {}, properties.get("cpu") or {}
    if isinstance(memory, Mapping) and memory.get("memory") is not None:
        found += ["--memory", str(memory["memory"]).removesuffix("B")]
    if isinstance(cpu, Mapping) and cpu.get("cpus") is not None:
        found += ["--cpus", str(cpu["cpus"])]
    for host in properties.get("extraHosts") or ():
        found += ["--add-host", str(host)]
    if entry := properties.get("entryPoint"):
        found += ["--entrypoint", str(entry[0] if isinstance(entry, list) else entry)]
    return found


def _unreachable(program: str) -> str:
    try:
        done = subprocess.run([program, "version"], capture_output=True, timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    return "" if done.returncode == 0 else done.stderr.decode("utf-8", "replace").strip().splitlines()[-1]


def _remove(program: str, name: str) -> None:
    subprocess.run([program, "rm", "-f", name], capture_output=True, timeout=30, check=False)
