"""Both filter grammars of Kestra, parsed once into (field, operation, value), turned into ORM conditions.

Legacy: `?namespace=&flowId=&state=&labels=k:v`. Newer: `filters[field][OP]=v`, map values
`filters[labels][EQUALS][key]=v`, trees `filters[or][0][field][OP]=v`. User text reaches SQL only as a parameter.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from math import prod
from typing import Any

from django.db.models import Q

from flows.api.errors import Unprocessable
from flows.definition.durations import parse_duration as iso_duration

OPERATIONS = (
    "EQUALS", "NOT_EQUALS", "GREATER_THAN", "LESS_THAN", "GREATER_THAN_OR_EQUAL_TO", "LESS_THAN_OR_EQUAL_TO",
    "IN", "NOT_IN", "STARTS_WITH", "ENDS_WITH", "CONTAINS", "NOT_CONTAINS", "REGEX", "PREFIX",
    "IS_NULL", "IS_NOT_NULL",
)  # fmt: skip
_TEXT = {
    "EQUALS",
    "NOT_EQUALS",
    "IN",
    "NOT_IN",
    "STARTS_WITH",
    "ENDS_WITH",
    "CONTAINS",
    "NOT_CONTAINS",
    "REGEX",
    "PREFIX",
}
_DATES = {
    "EQUALS",
    "NOT_EQUALS",
    "GREATER_THAN",
    "LESS_THAN",
    "GREATER_THAN_OR_EQUAL_TO",
    "LESS_THAN_OR_EQUAL_TO",
}
_KEY = re.compile(r"\[([^\[\]]*)\]")
_MAX_FILTERS = 100
_REGEX_LIMIT = 500
# PostgreSQL writes repetitions out before it compares: `(a{200}){200}` asks for more than a gigabyte.
_REPEATED = re.compile(r"\{(\d+)(?:,(\d*))?\}")
_MOST_REPEATED = 1_000


@dataclass(frozen=True, slots=True)
class Filter:
    field: str
    operation: str
    value: Any  # text, or {key: value} for maps

    def texts(self) -> list[str]:
        """The values of IN and NOT_IN; one value for all other operations."""
        text = self.value if isinstance(self.value, str) else ""
        return [item.strip() for item in text.split(",")] if self.operation in ("IN", "NOT_IN") else [text]


@dataclass(frozen=True, slots=True)
class Tree:
    """`and` or `or` over filters and further trees."""

    logical: str
    children: tuple["Filter | Tree", ...]


Condition = Callable[[Filter], Q]


def parse(query: Any, legacy: Mapping[str, tuple[str, str]]) -> Tree:
    """All filters of a query string. `legacy` maps an old parameter to (field, operation)."""
    root: dict[str, Any] = {}
    found: list[Filter | Tree] = []
    count = 0
    for name in query:
        if name.startswith("filters["):
            count += 1
            if count > _MAX_FILTERS:
                raise Unprocessable("Illegal argument: too many filters")
            _insert(root, name, query.getlist(name))
        elif name in legacy:
            found.extend(_legacy(name, query.getlist(name), *legacy[name]))
    found.extend(_children(root))
    return Tree("and", tuple(found))


def refuse_unusable(query: Any, known: Iterable[str], *, newer: bool = True) -> None:
    """Before all that is found is changed: a filter that is unknown here or empty would silently mean everything."""
    names = sorted(known)
    for name in query:
        if newer and name.startswith("filters["):
            is_bare = name.endswith(("[IS_NULL]", "[IS_NOT_NULL]"))
        elif name in names:
            is_bare = False
        else:
            listed = ", ".join([*names, "filters"] if newer else names)
            raise Unprocessable(f"Illegal argument: unknown parameter {name[:40]!r}; known: {listed}")
        if not is_bare and any(value.strip() == "" for value in query.getlist(name)):
            raise Unprocessable(f"Illegal argument: {name[:80]} has no value")


def _legacy(name: str, values: list[str], field: str, operation: str) -> list[Filter]:
    given = [value for value in values if value != ""]
    if not given:
        return []
    if field == "labels":
        return [Filter("labels", operation, dict([label_of(value)])) for value in given]
    if operation == "IN":
        return [Filter(field, "IN", ",".join(given))]
    return [Filter(field, operation, given[-1])]


def label_of(text: str) -> tuple[str, str]:
    key, separator, value = text.partition(":")
    if not separator or not key:
        raise Unprocessable(f"Invalid queryString parameter: {text[:80]!r} is not key:value")
    return key, value


def _insert(root: dict[str, Any], name: str, values: list[str]) -> None:
    path = _KEY.findall(name)
    if not path or "filters" + "".join(f"[{part}]" for part in path) != name or len(path) > 8:
        raise Unprocessable(f"Invalid queryString parameter: {name[:80]!r}")
    node = root
    for part in path[:-1]:
        inner = node.setdefault(part, {})
        if not isinstance(inner, dict):
            raise Unprocessable(f"Invalid queryString parameter: {name[:80]!r}")
        node = inner
    node[path[-1]] = ",".join(values) if len(values) > 1 else values[0]


def _children(node: Mapping[str, Any]) -> list["Filter | Tree"]:
    found: list[Filter | Tree] = []
    for name, inner in node.items():
        if not isinstance(inner, dict):
            raise Unprocessable(f"Invalid queryString parameter: filters[{name}] lacks an operation")
        if name.lower() in ("and", "or"):
            groups = [
                Tree("and", tuple(_children(item))) if isinstance(item, dict) else None for item in inner.values()
            ]
            if None in groups:
                raise Unprocessable(f"Invalid queryString parameter: filters[{name}]")
            found.append(Tree(name.lower(), tuple(group for group in groups if group)))
            continue
        found.extend(_filters(name, inner))
    return found


def _filters(name: str, operations: Mapping[str, Any]) -> list[Filter]:
    found = []
    for operation, value in operations.items():
        operation = operation.upper()
        if operation not in OPERATIONS:
            raise Unprocessable(
                f"Illegal argument: unknown operation {operation[:40]!r}; supported: {', '.join(OPERATIONS)}"
            )
        found.append(Filter(canonical(name), operation, value))
    return found


def tree_of(given: Any) -> Tree:
    """Filters as a list of `{field, operation, value}` in a JSON body; groups are `{logical, children}`."""
    if given is None:
        return Tree("and", ())
    if not isinstance(given, list) or len(given) > _MAX_FILTERS:
        raise Unprocessable(f"Invalid entity: filters must be a list of at most {_MAX_FILTERS} filters")
    return Tree("and", tuple(_listed(one) for one in given))


def _listed(one: Any) -> "Filter | Tree":
    if isinstance(one, dict) and isinstance(one.get("children"), list):
        logical = str(one.get("logical") or "and").lower()
        if logical not in ("and", "or"):
            raise Unprocessable("Invalid entity: filters are joined by `and` or `or`")
        return Tree(logical, tree_of(one["children"]).children)
    if not isinstance(one, dict) or not isinstance(one.get("field"), str):
        raise Unprocessable("Invalid entity: a filter is {field, operation, value}")
    value = one.get("value")
    if isinstance(value, dict) and value.keys() == {"value"}:
        value = value["value"]  # as 1.3's client wraps it
    if isinstance(value, dict):
        value = {str(key): _text_of(item) for key, item in value.items()}
    elif isinstance(value, list):
        value = ",".join(map(_text_of, value))
    else:
        value = _text_of(value)
    return _filters(one["field"], {str(one.get("operation") or "EQUALS"): value})[0]


def _text_of(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return "" if value is None else str(value)


_NAMES = {"query": "q", "min_level": "level", "minlevel": "level"}


def canonical(name: str) -> str:
    """Old generated clients send the enum's name (FLOW_ID) for the field (flowId)."""
    lowered = name.lower()
    if lowered in _NAMES:
        return _NAMES[lowered]
    if "_" in name or name.isupper():
        head, *tail = lowered.split("_")
        return head + "".join(part.capitalize() for part in tail)
    return name


def condition(tree: Tree, fields: Mapping[str, Condition]) -> Q:
    found = Q()
    for child in tree.children:
        if isinstance(child, Tree):
            inner = condition(child, fields)
        else:
            known = fields.get(child.field)
            if known is None:
                listed = ", ".join(sorted(fields))
                raise Unprocessable(
                    f"Illegal argument: field {child.field[:40]!r} is not supported; supported: {listed}"
                )
            inner = known(child)
        found = found | inner if tree.logical == "or" and found else found & inner
    return found


def supported(filter: Filter, operations: set[str]) -> str:
    if filter.operation not in operations:
        raise Unprocessable(
            f"Illegal argument: operation {filter.operation} is not supported for {filter.field}; "
            f"supported: {', '.join(sorted(operations))}"
        )
    return filter.operation


def plain(filter: Filter) -> str:
    if not isinstance(filter.value, str):
        raise Unprocessable(f"Illegal argument: {filter.field} needs a plain value")
    return filter.value


def text(column: str, *, nullable: bool = False) -> Condition:
    def build(filter: Filter) -> Q:
        operation = supported(filter, _TEXT | ({"IS_NULL", "IS_NOT_NULL"} if nullable else set()))
        value = plain(filter)
        match operation:
            case "EQUALS":
                return Q(**{column: value})
            case "NOT_EQUALS":
                return ~Q(**{column: value})
            case "IN":
                return Q(**{f"{column}__in": filter.texts()})
            case "NOT_IN":
                return ~Q(**{f"{column}__in": filter.texts()})
            case "PREFIX":
                return Q(**{column: value}) | Q(**{f"{column}__startswith": value + "."})
            case "REGEX":
                return Q(**{f"{column}__regex": regex(value)})
            case "IS_NULL" | "IS_NOT_NULL":
                return Q(**{f"{column}__isnull": operation == "IS_NULL"})
            case "NOT_CONTAINS":
                return ~Q(**{f"{column}__icontains": value})
        return Q(**{f"{column}__{_LOOKUPS[operation]}": value})

    return build


_LOOKUPS = {
    "STARTS_WITH": "startswith",
    "ENDS_WITH": "endswith",
    "CONTAINS": "icontains",
    "GREATER_THAN": "gt",
    "LESS_THAN": "lt",
    "GREATER_THAN_OR_EQUAL_TO": "gte",
    "LESS_THAN_OR_EQUAL_TO": "lte",
}


def regex(pattern: str) -> str:
    """PostgreSQL's own engine runs it, which does not backtrack; what it cannot read is refused before."""
    if len(pattern) > _REGEX_LIMIT:
        raise Unprocessable("Illegal argument: the pattern is too long")
    try:
        re.compile(pattern)
    except (re.error, OverflowError, RecursionError) as error:
        raise Unprocessable(f"Illegal argument: invalid pattern: {error}") from None
    if prod(int(most or least or 1) for least, most in _REPEATED.findall(pattern)) > _MOST_REPEATED:
        raise Unprocessable("Illegal argument: the pattern repeats too much")
    return pattern


def date(column: str) -> Condition:
    def build(filter: Filter) -> Q:
        operation = supported(filter, _DATES)
        moment = parse_date(plain(filter), filter.field)
        if operation in ("EQUALS", "NOT_EQUALS"):
            return Q(**{column: moment}) if operation == "EQUALS" else ~Q(**{column: moment})
        return Q(**{f"{column}__{_LOOKUPS[operation]}": moment})

    return build


def time_range(column: str) -> Condition:
    def build(filter: Filter) -> Q:
        return Q(**{f"{column}__gte": datetime.now(UTC) - parse_duration(plain(filter))})

    return build


def parse_date(text: str, name: str) -> datetime:
    # A `+` of an offset that was not encoded arrives as a blank.
    try:
        moment = datetime.fromisoformat(text.strip().replace(" ", "+", 1) if "T" in text else text.strip())
    except ValueError:
        raise Unprocessable(f"Illegal argument: {name} {text[:60]!r} is not a date") from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def parse_duration(text: str) -> timedelta:
    try:
        found = iso_duration(text)
    except ValueError:
        found = timedelta(-1)
    if not timedelta(0) <= found <= timedelta(days=36_500):
        raise Unprocessable(f"Illegal argument: {text[:60]!r} is not a duration")
    return found
