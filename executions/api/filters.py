"""Conditions that only executions and their logs have, on top of the common filter grammar."""

from collections.abc import Callable
from typing import Any

from django.db.models import Q

from executions.ids import to_uuid
from flows.api.errors import Unprocessable
from flows.api.filters import Condition, Filter, label_of, plain, supported
from flows.definition.states import State

SYSTEM_NAMESPACE = "system"


def states(column: str) -> Condition:
    def build(filter: Filter) -> Q:
        operation = supported(filter, {"EQUALS", "NOT_EQUALS", "IN", "NOT_IN"})
        wanted = [parse_state(item) for item in (filter.texts() if "IN" in operation else [plain(filter)])]
        found = Q(**{f"{column}__in": wanted})
        return ~found if operation.startswith("NOT") else found

    return build


def labels(column: str = "labels") -> Condition:
    """Labels are stored as a list of {key, value}: containment answers from the index."""

    def build(filter: Filter) -> Q:
        operation = supported(filter, {"EQUALS", "NOT_EQUALS", "IN", "NOT_IN", "CONTAINS", "NOT_CONTAINS"})
        given = filter.value if isinstance(filter.value, dict) else dict([label_of(plain(filter))])
        found = Q()
        for key, value in given.items():
            inner = Q(pk__in=())
            for item in str(value).split(",") if operation in ("IN", "NOT_IN") else [str(value)]:
                inner |= Q(**{f"{column}__contains": [{"key": key, "value": item}]})
            found &= inner
        return ~found if operation.startswith("NOT") else found

    return build


def identity(column: str) -> Condition:
    """Ids of executions or task runs; a text that is no id finds nothing."""

    def build(filter: Filter) -> Q:
        operation = supported(filter, {"EQUALS", "NOT_EQUALS", "IN", "NOT_IN"})
        uuids = [parse_execution_id(text) for text in filter.texts()]
        found = Q(**{f"{column}__in": [uuid for uuid in uuids if uuid]})
        return ~found if operation.startswith("NOT") else found

    return build


def scope(filter: Filter) -> Q:
    """The namespace `system` belongs to the instance, all others to users."""
    wanted = {item.upper() for item in filter.texts()}
    if not wanted <= {"USER", "SYSTEM"}:
        raise Unprocessable("Illegal argument: scope must be USER or SYSTEM")
    if len(wanted) != 1:
        return Q()
    system = Q(namespace=SYSTEM_NAMESPACE)
    found = system if wanted == {"SYSTEM"} else ~system
    return ~found if filter.operation.startswith("NOT") else found


def words(match: Callable[[str], Q]) -> Condition:
    """Every blank-separated word must match."""

    def build(filter: Filter) -> Q:
        operation = supported(filter, {"EQUALS", "NOT_EQUALS", "CONTAINS"})
        found = Q()
        for word in plain(filter).split():
            found &= match(word)
        return ~found if operation == "NOT_EQUALS" and found else found

    return build


def parse_state(text: str) -> str:
    name = text.strip().upper()
    if name not in State.__members__:
        raise Unprocessable(f"Illegal argument: unknown state {text[:40]!r}; known: {', '.join(State.__members__)}")
    return name


def parse_execution_id(text: str) -> Any:
    """The UUID of an id, or None for a text that can be no execution's id."""
    try:
        return to_uuid(text)
    except ValueError:
        return None
