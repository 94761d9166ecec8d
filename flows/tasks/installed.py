"""Task, trigger and condition types of other packages: their entry points in the group `celesta.plugins`.

The name of an entry point is the type, its value the class (`package.module:Class`). Loaded when first asked for.
"""

from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from flows.tasks.base import Isolation, RunnableTask, Task
from flows.triggers.base import Condition, Trigger

GROUP = "celesta.plugins"
_BASES: dict[str, type] = {"task": Task, "trigger": Trigger, "condition": Condition}


class BrokenPlugin(Exception):
    """It is installed, but cannot be used; the message is for the user."""


def find(name: str, kind: str) -> Any:
    """The class, or None when no package brings such a type of this kind. Raises BrokenPlugin."""
    entry = _entries().get(name)
    if entry is None:
        return None
    found = _load(entry)
    return found if issubclass(found, _BASES[kind]) else None


def names(kind: str) -> list[str]:
    """Those that can be loaded."""
    return sorted(name for name, entry in _entries().items() if _is_usable(entry, kind))


def _is_usable(entry: EntryPoint, kind: str) -> bool:
    try:
        return issubclass(_load(entry), _BASES[kind])
    except BrokenPlugin:
        return False


@cache
def _entries() -> dict[str, EntryPoint]:
    return {entry.name: entry for entry in entry_points(group=GROUP)}


@cache
def _load(entry: EntryPoint) -> Any:
    try:
        found: Any = entry.load()
    except Exception as error:
        raise BrokenPlugin(f"the plugin {entry.value} cannot be loaded: {type(error).__name__}: {error}") from None
    if not isinstance(found, type) or not issubclass(found, tuple(_BASES.values())):
        raise BrokenPlugin(f"the plugin {entry.value} is neither a task nor a trigger nor a condition")
    if issubclass(found, RunnableTask) and not _says_how_it_runs(found):
        # Nobody knows whether it can be interrupted: a process of its own can be killed.
        found.isolation = Isolation.CHILD
    return found


def _says_how_it_runs(model: type) -> bool:
    return any("isolation" in vars(base) for base in model.__mro__[: model.__mro__.index(RunnableTask)])
