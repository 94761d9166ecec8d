"""Merges `pluginDefaults` into every object with a matching `type` (Kestra: PluginDefaultService). Pure."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

Default = Mapping[str, Any]  # {"type", "forced"?, "values"?}


def merge_defaults(document: Any, defaults: Sequence[Default], canonical: Callable[[str], str]) -> Any:
    """A copy with the defaults in it; own values win unless the default is forced."""
    usable = [
        one
        for one in defaults
        if isinstance(one, Mapping) and isinstance(one.get("type"), str) and isinstance(one.get("values"), Mapping)
    ]
    if not usable:
        return document
    # The more specific of two types speaks first; among equals the order as written.
    usable.sort(key=lambda one: -len(canonical(one["type"])))
    free = [one for one in usable if not one.get("forced")]
    forced = [one for one in reversed(usable) if one.get("forced")]
    return _walk(document, free, forced, canonical)


def _walk(value: Any, free: Sequence[Default], forced: Sequence[Default], canonical: Callable[[str], str]) -> Any:
    if isinstance(value, list):
        return [_walk(item, free, forced, canonical) for item in value]
    if not isinstance(value, Mapping):
        return value
    result = {
        key: item if key in ("pluginDefaults", "taskDefaults") else _walk(item, free, forced, canonical)
        for key, item in value.items()
    }
    name = value.get("type")
    if isinstance(name, str):
        for default in free:
            if _matches(name, default["type"], canonical):
                result = merged(default["values"], result)
        for default in forced:
            if _matches(name, default["type"], canonical):
                result = merged(result, default["values"])
    return result


def _matches(name: str, wanted: str, canonical: Callable[[str], str]) -> bool:
    return name == wanted or canonical(name).startswith(canonical(wanted)) or name.startswith(wanted)


def merged(under: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """Maps are merged deeply, lists are put one after the other (trap 27), else `over` wins."""
    result = dict(under)
    for key, value in over.items():
        below = result.get(key)
        if isinstance(below, Mapping) and isinstance(value, Mapping):
            result[key] = merged(below, value)
        elif isinstance(below, list) and isinstance(value, list):
            result[key] = [*below, *value]
        elif value is not None or key not in result:
            result[key] = value
    return result
