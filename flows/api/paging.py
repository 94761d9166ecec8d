"""`page`, `size` and `sort` of every list, validated; answers `{"results", "total"}`."""

from collections.abc import Callable, Mapping
from typing import Any

from django.db.models import QuerySet

from flows.api.errors import Unprocessable

MAX_SIZE = 1000
_LARGEST_OFFSET = 1 << 31


def page_and_size(query: Any) -> tuple[int, int]:
    return _number(query, "page", 1, 1, _LARGEST_OFFSET), _number(query, "size", 10, 1, MAX_SIZE)


def _number(query: Any, name: str, default: int, low: int, high: int) -> int:
    text = query.get(name)
    if text is None or text == "":
        return default
    try:
        number = int(text)
    except ValueError:
        raise Unprocessable(f"Invalid {name} parameter: {text[:40]!r} is not a number") from None
    if not low <= number <= high:
        raise Unprocessable(f"Invalid {name} parameter: must lie between {low} and {high}")
    return number


def ordering(query: Any, fields: Mapping[str, str], default: tuple[str, ...]) -> tuple[str, ...]:
    """`sort=field:asc|desc`, repeated; `fields` maps Kestra's names to columns."""
    found = []
    for item in query.getlist("sort"):
        if not item:
            continue
        name, _, direction = item.partition(":")
        if name not in fields or direction.lower() not in ("", "asc", "desc"):
            raise Unprocessable(f"Invalid sort parameter: {item[:80]!r}; known fields: {', '.join(sorted(fields))}")
        found.append(("-" if direction.lower() == "desc" else "") + fields[name])
    return tuple(found) or default


def page_of(rows: "QuerySet[Any]", query: Any, render: Callable[[list[Any]], list[Any]]) -> dict[str, Any]:
    page, size = page_and_size(query)
    first = (page - 1) * size
    found = list(rows[first : first + size])
    # A short first page tells the total without another query.
    total = len(found) if page == 1 and len(found) < size else rows.count()
    return {"results": render(found), "total": total}


def page_of_list(items: list[Any], query: Any) -> dict[str, Any]:
    page, size = page_and_size(query)
    return {"results": items[(page - 1) * size : page * size], "total": len(items)}
