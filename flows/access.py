"""Who may do what in which namespace. The one place that decides, for REST, streams, sockets, pages and the admin."""

import time
from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

from django.db.models import Q, QuerySet

from flows.models import NamespaceGrant


class Role(IntEnum):
    """Each includes those before it."""

    VIEWER = 1
    OPERATOR = 2  # start, kill, resume, replay
    AUTHOR = 3  # write flows, namespace files and key-values; evaluate expressions
    NAMESPACE_ADMIN = 4  # grants inside the namespace
    ADMIN = 5  # the whole instance


EVERYWHERE = ""
_SCOPES = {role.name.lower(): role for role in Role}


@dataclass(frozen=True, slots=True)
class Access:
    """What one caller may do: pairs of (namespace, role); a grant on `a.b` covers `a.b.c`, one on "" everything."""

    user_id: int | None
    name: str
    grants: tuple[tuple[str, Role], ...] = ()

    def allows(self, role: Role, namespace: str) -> bool:
        return any(given >= role and _covers(granted, namespace) for granted, given in self.grants)

    def allows_somewhere(self, role: Role) -> bool:
        """What belongs to the whole instance is nobody's who was given the administrator's role in one namespace."""
        if role is Role.ADMIN:
            return self.allows(role, EVERYWHERE)
        return any(given >= role for _, given in self.grants)

    def filter(self, rows: "QuerySet[Any]", role: Role = Role.VIEWER, field: str = "namespace") -> "QuerySet[Any]":
        """The rows that the caller may see; nothing else ever reaches an answer, a count or a facet."""
        namespaces = {granted for granted, given in self.grants if given >= role}
        if EVERYWHERE in namespaces:
            return rows
        condition = Q(pk__in=())
        for namespace in namespaces:
            condition |= Q(**{field: namespace}) | Q(**{f"{field}__startswith": namespace + "."})
        return rows.filter(condition)


NOBODY = Access(None, "anonymous")


def _covers(granted: str, namespace: str) -> bool:
    return granted == EVERYWHERE or namespace == granted or namespace.startswith(granted + ".")


_cache: dict[int, tuple[float, Access]] = {}
_CACHE_SECONDS = 1.0  # a withdrawn right stops working within this time in every process


def of_user(user: Any) -> Access:
    """Superusers may everything; others what the groups they belong to were granted."""
    if user is None or not user.is_authenticated or not user.is_active:
        return NOBODY
    if user.is_superuser:
        return Access(user.pk, user.get_username(), ((EVERYWHERE, Role.ADMIN),))
    now = time.monotonic()
    known = _cache.get(user.pk)
    if known and now - known[0] < _CACHE_SECONDS:
        return known[1]
    rows = NamespaceGrant.objects.filter(group__user=user.pk).values_list("namespace", "role")
    access = Access(user.pk, user.get_username(), tuple((name, _SCOPES[role]) for name, role in rows))
    if len(_cache) > 10_000:
        _cache.clear()
    _cache[user.pk] = now, access
    return access


def forget() -> None:
    """Drop what is remembered of users (tests, and a change made in this very process)."""
    _cache.clear()


def narrowed(access: Access, scopes: Iterable[str], namespaces: Iterable[str]) -> Access:
    """The access of a token: never more than its owner's, at most its own scopes and namespaces (none given: no limit)."""
    ceiling = max((_SCOPES[scope] for scope in scopes if scope in _SCOPES), default=Role.ADMIN)
    limits = tuple(namespaces) or (EVERYWHERE,)
    grants = {
        (inner, min(role, ceiling))
        for granted, role in access.grants
        for limit in limits
        for inner in _intersection(granted, limit)
    }
    return Access(access.user_id, access.name, tuple(sorted(grants)))


def _intersection(first: str, second: str) -> tuple[str, ...]:
    if _covers(first, second):
        return (second,)
    return (first,) if _covers(second, first) else ()


def scopes() -> tuple[str, ...]:
    return tuple(_SCOPES)
