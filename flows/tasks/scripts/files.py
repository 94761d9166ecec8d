"""Files into a working directory and out of it: inputFiles, namespaceFiles, outputFiles. For scripts and WorkingDirectory."""

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

import orjson
import regex

from flows.definition.folders import is_address
from flows.definition.strict import Strict
from flows.tasks.base import Json, RunContext, TaskFailure

PATTERN_SECONDS = 1.0
_URI = re.compile(r"(?:kestra:///|nsfile://)[^\s\"'`<>|;)\]}]+")


class NamespaceFiles(Strict):
    """Which files of which namespaces are laid into the working directory."""

    enabled: Any = True
    include: Any = None
    exclude: Any = None
    namespaces: Any = None
    if_exists: Any = "OVERWRITE"
    folder_per_namespace: Any = False


def inside(directory: Path, name: str) -> Path:
    """The place of a relative name; refuses what leads out, also by a symbolic link."""
    if "\x00" in name or PurePosixPath(name).is_absolute():
        raise TaskFailure(f"Invalid file name: {name[:200]!r}")
    target = directory / name
    if not target.resolve().is_relative_to(directory.resolve()):
        raise TaskFailure(f"File name leads out of the working directory: {name[:200]!r}")
    return target


def write_input_files(context: RunContext, files: Any, extra: Mapping[str, Json] | None = None) -> list[str]:
    """`inputFiles`: a map of names to contents (or addresses in the storage), the same as JSON text, or a list of URIs."""
    directory = context.working_directory
    written = []
    for name, content in _named(context, files, extra).items():
        target = inside(directory, name)
        target.parent.mkdir(parents=True, exist_ok=True)
        if content is None:
            target.touch()
        elif isinstance(content, str) and is_address(content.strip()):
            context.download(content.strip(), target)
        elif isinstance(content, str):
            target.write_text(content)
        else:
            target.write_bytes(orjson.dumps(content))
        written.append(name)
    return written


def _named(context: RunContext, files: Any, extra: Mapping[str, Json] | None) -> Mapping[str, Json]:
    if files is None:
        return {}
    rendered = context.render_typed(files, extra) if isinstance(files, str) else context.render(files, extra)
    if isinstance(rendered, str):
        try:
            rendered = orjson.loads(str(rendered))
        except orjson.JSONDecodeError as error:
            raise TaskFailure(f"`inputFiles` is not valid JSON: {error}") from None
    if isinstance(rendered, Mapping):
        return {str(name): content for name, content in rendered.items()}
    if isinstance(rendered, list):
        return {str(uri).rpartition("/")[2]: uri for uri in rendered}
    raise TaskFailure("`inputFiles` must be a map of file names to contents, or a list of files")


def lay_namespace_files(context: RunContext, wanted: NamespaceFiles | None) -> int:
    """The number of files copied."""
    if wanted is None or str(context.render(str(wanted.enabled))).lower() == "false":
        return 0
    namespaces = _texts(context, wanted.namespaces) or [context.namespace]
    include, exclude = _texts(context, wanted.include), _texts(context, wanted.exclude)
    apart = str(context.render(str(wanted.folder_per_namespace))).lower() == "true"
    policy = str(context.render(str(wanted.if_exists))).upper()
    count = 0
    for namespace in namespaces:
        for path in context.platform.namespace_files(namespace):
            if _is_wanted(path, include, exclude):
                name = f"{namespace}/{path}" if apart else path
                count += _lay(context, namespace, path, inside(context.working_directory, name), policy)
    return count


def _lay(context: RunContext, namespace: str, path: str, target: Path, policy: str) -> int:
    if target.exists():
        if policy in ("FAIL", "ERROR"):
            raise TaskFailure(f"File {path} exists already in the working directory")
        if policy in ("IGNORE", "WARN", "SKIP"):
            context.log("WARN" if policy == "WARN" else "DEBUG", f"File {path} exists already, it is kept")
            return 0
    context.platform.fetch_namespace_file(namespace, path, target)
    return 1


def _texts(context: RunContext, value: Any) -> list[str]:
    if value is None:
        return []
    rendered = context.render_typed(value)
    if isinstance(rendered, str):
        rendered = orjson.loads(str(rendered)) if rendered.startswith("[") else [rendered]
    return [str(item) for item in rendered]


def _is_wanted(path: str, include: Sequence[str], exclude: Sequence[str]) -> bool:
    if include and not any(matches(path, pattern) for pattern in include):
        return False
    return not any(matches(path, pattern) for pattern in exclude)


def matches(path: str, pattern: str) -> bool:
    """Java's glob: `*` stays in a folder, `**` does not; a pattern without a slash also means a name anywhere."""
    pattern = pattern.removeprefix("glob:").lstrip("/")
    return fits(glob_pattern(pattern), path)


def fits(pattern: "regex.Pattern[str]", path: str) -> bool:
    """Bounded in time: many stars in one pattern can take for ever."""
    try:
        return pattern.fullmatch(path, timeout=PATTERN_SECONDS, concurrent=True) is not None
    except TimeoutError:
        raise TaskFailure(f"A file pattern takes too long to match {path[:100]!r}") from None


def glob_pattern(pattern: str) -> "regex.Pattern[str]":
    """A file pattern as a regular expression: * ? ** {a,b} [abc]."""
    out, position, depth = "", 0, 0
    while position < len(pattern):
        character = pattern[position]
        position += 1
        if character == "*":
            if pattern.startswith("*", position):
                position += 1
                if pattern.startswith("/", position):
                    position += 1
                    out += "(?:.*/)?"
                else:
                    out += ".*"
            else:
                out += "[^/]*"
        elif character == "?":
            out += "[^/]"
        elif character == "{":
            depth += 1
            out += "(?:"
        elif character == "}" and depth:
            depth -= 1
            out += ")"
        elif character == "," and depth:
            out += "|"
        elif character == "[" and "]" in pattern[position:]:
            end = pattern.index("]", position)
            inner = pattern[position:end].replace("\\", "\\\\")
            out += f"[{'^' + inner[1:] if inner.startswith('!') else inner}]"
            position = end + 1
        else:
            out += regex.escape(character)
    try:
        return regex.compile(out + ")" * depth, regex.DOTALL)
    except regex.error as error:
        raise TaskFailure(f"Not a file pattern: {pattern[:100]!r} ({error})") from None


def collect_output_files(context: RunContext, patterns: Iterable[str], directory: Path) -> dict[str, str]:
    """Files that match, into the internal storage: name to address. Links that lead out of the folder are refused."""
    compiled = [glob_pattern(pattern.removeprefix("./").removeprefix("glob:")) for pattern in patterns]
    found: dict[str, str] = {}
    root = directory.resolve()
    for path in sorted(directory.rglob("*")):
        name = path.relative_to(directory).as_posix()
        if not any(fits(pattern, name) for pattern in compiled):
            continue
        if not path.resolve().is_relative_to(root):
            context.log("WARN", f"{name} leads out of the working directory and is left out")
        elif path.is_file():
            found[name] = context.upload(path, name)
    return found


def local_paths(context: RunContext, text: str) -> str:
    """`kestra:///` and `nsfile://` addresses in a command become paths of local copies."""

    def fetched(match: "re.Match[str]") -> str:
        uri = match[0]
        name = uri.removeprefix("kestra:///").replace("nsfile:///", "_files/").replace("nsfile://", "_files_of/")
        target = inside(context.working_directory, f".storage/{name}")
        if not target.exists():
            context.download(uri, target)
        return str(target)

    return _URI.sub(fetched, text)
