"""What is worth saying about a valid flow: deprecated parts, older names. Pure."""

from collections.abc import Iterator, Mapping
from typing import Any

from flows.definition.errors import Location, path_text
from flows.tasks.aliases import ALIASES, DEPRECATED, canonical

_DEPRECATED_PROPERTIES = ("listeners", "taskDefaults")


def deprecation_paths(document: Mapping[str, Any]) -> list[str]:
    paths = [name for name in _DEPRECATED_PROPERTIES if document.get(name)]
    return paths + [path_text(place) for place, name in _types(document, ()) if canonical(name) in DEPRECATED]


def replacements(document: Mapping[str, Any]) -> list[str]:
    names = dict.fromkeys(name for _, name in _types(document, ()) if name in ALIASES)
    return [f"{name} is replaced by {ALIASES[name]}" for name in names]


def _types(value: Any, place: Location) -> Iterator[tuple[Location, str]]:
    """Every object with a `type`, in document order."""
    if isinstance(value, Mapping):
        name = value.get("type")
        if isinstance(name, str):
            yield place, name
        for key, item in value.items():
            yield from _types(item, (*place, key))
    elif isinstance(value, list):
        for position, item in enumerate(value):
            yield from _types(item, (*place, position))
