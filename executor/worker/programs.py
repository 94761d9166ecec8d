"""`python` and `python3` for scripts, also where the machine has them under another name or only for root."""

import os
import pwd
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

from executor.worker.workspace import Workspace

_NAMES = ("python", "python3")


class Programs:
    """Adds a folder with the missing names to the end of PATH: what the path offers by itself comes first."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._lock = threading.Lock()
        self._paths: dict[str, str] = {}

    def path(self, path: str, account: "pwd.struct_passwd | None") -> str:
        with self._lock:
            if path not in self._paths:
                self._paths[path] = self._completed(path, account)
            return self._paths[path]

    def _completed(self, path: str, account: "pwd.struct_passwd | None") -> str:
        missing = [name for name in _NAMES if not any(_runs(each, account) for each in _in_path(name, path))]
        if not missing:
            return path
        for program in (
            *_in_path("python3", path),
            "/usr/bin/python3",
            "/usr/local/bin/python3",
            sys.executable,
        ):
            if _runs(program, account):
                return f"{path}{os.pathsep}{self._folder(program, missing)}"
        return path

    def _folder(self, program: str, names: list[str]) -> Path:
        folder = self._workspace.new("bin")
        folder.chmod(0o755)
        for name in names:
            # A script, not a link: Python finds its environment by the name it was called with.
            (folder / name).write_text(f'#!/bin/sh\nexec "{program}" "$@"\n')
            (folder / name).chmod(0o755)
        return folder


def _in_path(name: str, path: str) -> Iterator[str]:
    for folder in path.split(os.pathsep):
        found = os.path.join(folder, name)
        if folder and os.path.isfile(found):
            yield found


def _runs(program: str, account: "pwd.struct_passwd | None") -> bool:
    try:
        done = subprocess.run(
            [program, "-c", ""],
            cwd="/",
            env={"PATH": "/usr/bin:/bin"},
            capture_output=True,
            timeout=10,
            check=False,
            user=account.pw_uid if account else None,
            group=account.pw_gid if account else None,
            extra_groups=[] if account else None,
        )
    except (OSError, subprocess.SubprocessError):
        return False
    return done.returncode == 0
