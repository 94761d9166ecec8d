"""What flows of one namespace may do in another: what everybody may do who may write flows there (docs/decisions/0031).

Own namespaces, and reading in their parents, need no question. SQL only; nothing here is told of users."""

import time
from pathlib import Path
from typing import Any

from executions import audit
from executions.ids import to_uuid
from executions.named_sql import load as load_sql
from executions.storage.base import REVISIONS
from executions.storage.secrets import chain
from flows.access import EVERYWHERE, Role, scopes

Connection = Any
_SQL = load_sql(Path(__file__).with_suffix(".sql"))
_REMEMBERED = 1.0  # seconds: a grant given or withdrawn counts within this time in every process
_MOST_REMEMBERED = 10_000
_answers: dict[tuple[str, str, Role], tuple[float, bool]] = {}


class OutOfReach(ValueError):
    """The message is for the user."""


def check(connection: Connection, namespace: str, other: str, role: Role, deed: str) -> None:
    """`deed`: what is refused, as in "read key-values of". Raises OutOfReach; the refusal is noted in the audit."""
    if not is_open(connection, namespace, other, role):
        audit.write(connection, [audit.Entry(f"flows of {namespace}", f"refused: {deed} a namespace", other or "all")])
        where = f"namespace '{other}'" if other else "all namespaces"
        raise OutOfReach(
            f"Namespace '{namespace}' is not allowed to {deed} {where}:"
            f" not everybody who may write flows in '{namespace}' has the role {role.name.lower()} there."
        )


def is_open(connection: Connection, namespace: str, other: str, role: Role) -> bool:
    """`other` may be EVERYWHERE: all namespaces together."""
    if other == namespace or other.startswith(namespace + ".") or (role is Role.VIEWER and other in chain(namespace)):
        return True
    key, now = (namespace, other, role), time.monotonic()
    known = _answers.get(key)
    if known is None or now - known[0] > _REMEMBERED:
        if len(_answers) > _MOST_REMEMBERED:
            _answers.clear()
        known = _answers[key] = now, not _has_strangers(connection, namespace, other, role)
    return known[1]


def _has_strangers(connection: Connection, namespace: str, other: str, role: Role) -> bool:
    parameters = {
        "own": [*chain(namespace), EVERYWHERE],
        "other": [*chain(other), EVERYWHERE] if other else [EVERYWHERE],
        "authors": _at_least(Role.AUTHOR),
        "roles": _at_least(role),
    }
    return bool(connection.execute(_SQL["strangers"], parameters).fetchone()[0])


def _at_least(role: Role) -> list[str]:
    return [name for name in scopes() if Role[name.upper()] >= role]


def owner(connection: Connection, execution_id: str) -> str | None:
    """The namespace of an execution; None when there is none of this id."""
    try:
        row = connection.execute(_SQL["owner"], {"id": to_uuid(execution_id).hex}).fetchone()
    except ValueError:
        return None
    return None if row is None else str(row[0])


def namespace_of(path: str) -> str:
    """Whose a file of the internal storage is, by its path; where names leave a doubt, the outer namespace."""
    names = path.strip("/").split("/")
    if names[0] == REVISIONS.strip("/") and len(names) > 1:
        return names[1]
    for position, name in enumerate(names):
        if name in ("_files", "_kv", "_states"):
            return ".".join(names[:position])
        if name == "executions" and position > 1:
            return ".".join(names[: position - 1])
    return ".".join(names[:-1])


def forget() -> None:
    """Drop what is remembered (tests, and a change made in this very process)."""
    _answers.clear()
