"""core.namespace: files of a namespace uploaded, downloaded and deleted by tasks; found by glob patterns."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from flows.definition.folders import is_address
from flows.tasks.base import Json, RunContext, RunnableTask, TaskFailure
from flows.tasks.core.rendering import mapping, one_of, required, texts
from flows.tasks.scripts.files import fits, glob_pattern

CONFLICTS = ("OVERWRITE", "ERROR", "SKIP")


def matching(names: Sequence[str], patterns: Sequence[str]) -> list[str]:
    """Names that a pattern means: a glob from the root (`glob:` may be left out), or just the name."""
    globs = [pattern.removeprefix("glob:").lstrip("/") for pattern in patterns]
    compiled = [glob_pattern(one) for one in globs]
    return [name for name in names if name in globs or any(fits(one, name) for one in compiled)]


class UploadFiles(RunnableTask):
    """`files` are patterns over the working directory, or a map as `filesMap`: names to addresses or contents."""

    namespace: str
    files: Any = None
    files_map: Any = None
    destination: str = "/"
    conflict: str = "OVERWRITE"

    def run(self, context: RunContext) -> dict[str, Json] | None:
        namespace = required(context, self.namespace, "namespace")
        folder = str(context.render(self.destination)).strip("/")
        conflict = one_of(str(context.render(self.conflict)), CONFLICTS, "conflict")
        sources = self._sources(context)
        if not sources:
            context.log("WARN", "No file to upload")
        known = set(context.platform.namespace_files(namespace))
        uploaded = {}
        for name, source in sources.items():
            path = f"{folder}/{name.lstrip('/')}".lstrip("/")
            if path in known and conflict == "ERROR":
                raise TaskFailure(f"File {path} already exists in namespace {namespace} and `conflict` is ERROR")
            if path in known and conflict == "SKIP":
                context.log("INFO", f"File {path} already exists, it is kept")
                continue
            uploaded[f"/{path}"] = self._upload(context, namespace, path, source)
        context.metric("count", len(uploaded))
        return {"files": uploaded}

    def _sources(self, context: RunContext) -> dict[str, Json]:
        if self.files_map is not None:
            return mapping(context, self.files_map, "filesMap")
        if isinstance(self.files, Mapping):
            return mapping(context, self.files, "files")
        if self.files is None:
            raise TaskFailure("One of the properties `files` and `filesMap` is needed")
        root: Path = context.working_directory
        names = [path.relative_to(root).as_posix() for path in sorted(root.rglob("*")) if _is_own_file(path, root)]
        return {name: root / name for name in matching(names, texts(context, self.files, "files"))}

    def _upload(self, context: RunContext, namespace: str, path: str, source: Json) -> str:
        if is_address(source):
            with context.storage.open(source) as file:
                return str(context.platform.put_namespace_file(namespace, path, file))
        content = source if isinstance(source, Path) else str(source).encode("utf-8", "replace")
        return str(context.platform.put_namespace_file(namespace, path, content))


def _is_own_file(path: Path, root: Path) -> bool:
    return path.is_file() and path.resolve().is_relative_to(root.resolve())


class DownloadFiles(RunnableTask):
    """Copies in the internal storage of this execution."""

    namespace: str
    files: Any
    destination: str = ""

    def run(self, context: RunContext) -> dict[str, Json] | None:
        namespace = required(context, self.namespace, "namespace")
        folder = str(context.render(self.destination)).strip("/")
        names = matching(context.platform.namespace_files(namespace), texts(context, self.files, "files"))
        downloaded = {}
        for name in names:
            target = f"{folder}/{name}".lstrip("/")
            with context.storage.open(context.platform.namespace_file_uri(namespace, name)) as file:
                downloaded[f"/{target}"] = context.upload(file, target)
        context.metric("count", len(downloaded))
        return {"files": downloaded}


class DeleteFiles(RunnableTask):
    namespace: str
    files: Any
    delete_parent_folder: Any = False

    def run(self, context: RunContext) -> dict[str, Json] | None:
        namespace = required(context, self.namespace, "namespace")
        names = matching(context.platform.namespace_files(namespace), texts(context, self.files, "files"))
        deleted = {}
        for name in names:
            uri = context.platform.namespace_file_uri(namespace, name)
            if context.platform.delete_namespace_file(namespace, name):
                deleted[f"/{name}"] = uri
        context.metric("count", len(deleted))
        return {"files": deleted}
