"""Who is calling: Basic (verified once a minute), API tokens, sessions. What they may do is told by `flows.access`."""

import base64
import hashlib
import hmac
import os
import secrets
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from importlib import import_module
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.contrib.auth import get_user, get_user_model
from django.contrib.auth.hashers import check_password, make_password
from django.http import HttpRequest, parse_cookie
from rest_framework.authentication import BaseAuthentication, SessionAuthentication
from rest_framework.exceptions import AuthenticationFailed, PermissionDenied, Throttled
from rest_framework.permissions import BasePermission

from executions.models import ApiToken
from flows import access
from flows.access import Access, Role

CHALLENGE = 'Basic realm="celesta"'
_VERIFIED_SECONDS = 60.0
_ROW_SECONDS = 1.0  # how long a withdrawn account, password or token goes on working
_FAILURES, _FAILURE_SECONDS = 10, 60.0
_PROCESS_KEY = os.urandom(32)
_LIMIT = 10_000
_LONGEST_KEY = 200
_LONGEST_NAME = 150  # no user has a longer one: what strangers send is not kept in memory


@dataclass(frozen=True, slots=True)
class Caller:
    user: Any
    access: Access


_rows: dict[str, tuple[float, Any]] = {}  # "user:name" or "token:digest" -> (read at, row or None)
_verified: dict[bytes, float] = {}  # mac of name, password and stored hash -> good until
_failures: dict[str, list[float]] = {}  # "address name" -> times of wrong passwords


def identify(header: str, address: str = "") -> Caller | None:
    """The caller behind an Authorization header; None for a scheme that is not ours. Raises AuthenticationFailed."""
    scheme, _, credentials = header.partition(" ")
    match scheme.lower():
        case "basic":
            return _by_password(*_decoded(credentials), address)
        case "bearer":
            return _by_token(credentials.strip())
    return None


def identify_at_once(header: str) -> Caller | None:
    """The same from what is remembered, without a look at the database or a password hash; None: ask `identify`."""
    scheme, _, credentials = header.partition(" ")
    now = time.monotonic()
    if scheme.lower() == "basic":
        try:
            name, password = _decoded(credentials)
        except AuthenticationFailed:
            return None
        read, user = _rows.get(f"user:{name}", (0.0, None))
        if user is None or now - read > _ROW_SECONDS or _verified.get(_mac(user, password), 0.0) < now:
            return None
        return Caller(user, access.of_user(user)) if user.is_superuser else None
    if scheme.lower() == "bearer":
        digest = hashlib.sha256(credentials.strip().encode()).hexdigest()
        read, token = _rows.get(f"token:{digest}", (0.0, None))
        if token is None or now - read > _ROW_SECONDS or not token.user.is_superuser or not token.user.is_active:
            return None
        return _caller_of_token(token) if not token.expires or token.expires > datetime.now(UTC) else None
    return None


def _decoded(credentials: str) -> tuple[str, str]:
    try:
        name, separator, password = base64.b64decode(credentials, validate=True).decode().partition(":")
    except ValueError:  # no base64, or of no text
        raise AuthenticationFailed("Invalid basic header") from None
    if not separator or "\0" in name:
        raise AuthenticationFailed("Invalid basic header")
    return name, password


def _by_password(name: str, password: str, address: str) -> Caller:
    user = _row(f"user:{name}", lambda: get_user_model().objects.filter(username=name).first())
    name = name[:_LONGEST_NAME]
    if user is not None:
        known = _mac(user, password)
        if _verified.get(known, 0.0) > time.monotonic() and user.is_active:
            return Caller(user, access.of_user(user))
    throttle(f"{address} {name}")
    if user is None:
        make_password(password)  # the same time as for a known name
    elif check_password(password, user.password) and user.is_active:
        _remember(_verified, known, time.monotonic() + _VERIFIED_SECONDS)
        return Caller(user, access.of_user(user))
    count_failure(f"{address} {name}")
    raise AuthenticationFailed("Invalid username or password")


def _mac(user: Any, password: str) -> bytes:
    """Of the stored hash too: a changed password is never remembered as verified."""
    text = "\0".join((user.get_username(), password, user.password))
    return hmac.digest(_PROCESS_KEY, text.encode(), "sha256")


def count_failure(key: str) -> None:
    _remember(_failures, key, [*_failures.get(key, ()), time.monotonic()])


def throttle(key: str) -> None:
    """Raises Throttled after too many failures of one address and name within a minute."""
    now = time.monotonic()
    recent = [moment for moment in _failures.get(key, ()) if now - moment < _FAILURE_SECONDS]
    if recent:
        _remember(_failures, key, recent)
    else:
        _failures.pop(key, None)
    if len(recent) >= _FAILURES:
        raise Throttled(wait=_FAILURE_SECONDS - (now - recent[0]), detail="Too many wrong passwords")


def _by_token(token: str) -> Caller:
    digest = hashlib.sha256(token.encode()).hexdigest()
    found = _row(f"token:{digest}", lambda: ApiToken.objects.select_related("user").filter(digest=digest).first())
    now = datetime.now(UTC)
    if found is None or not found.user.is_active or (found.expires and found.expires <= now):
        raise AuthenticationFailed("Invalid token")
    if found.last_used is None or now - found.last_used > timedelta(minutes=1):
        found.last_used = now
        ApiToken.objects.filter(pk=found.pk).update(last_used=now)
    return _caller_of_token(found)


def _caller_of_token(token: ApiToken) -> Caller:
    limited = access.narrowed(access.of_user(token.user), token.scopes, token.namespaces)
    return Caller(token.user, limited)


def _row(key: str, read: Any) -> Any:
    now = time.monotonic()
    known = _rows.get(key)
    if known and now - known[0] < _ROW_SECONDS:
        return known[1]
    row = read()
    if len(key) <= _LONGEST_KEY:
        _remember(_rows, key, (now, row))
    return row


def _remember(cache: dict[Any, Any], key: Any, value: Any) -> None:
    if len(cache) > _LIMIT:
        cache.clear()
    cache[key] = value


def forget() -> None:
    """Drop what is remembered (tests, and a change made in this very process)."""
    _rows.clear()
    _verified.clear()
    _failures.clear()


def issue_token(
    user: Any,
    name: str,
    *,
    scopes: Sequence[str] = (),
    namespaces: Sequence[str] = (),
    expires: datetime | None = None,
) -> str:
    """A new API token; this is the only time that it can be read. No scopes or namespaces: all of its owner's."""
    token = f"cel_{secrets.token_urlsafe(32)}"
    ApiToken.objects.create(
        user=user,
        name=name,
        digest=hashlib.sha256(token.encode()).hexdigest(),
        scopes=list(scopes),
        namespaces=list(namespaces),
        expires=expires,
    )
    return token


def refuse_foreign_origin(method: str, origin: str, host: str, scheme: str = "basic") -> None:
    """Browsers remember Basic credentials and would send them for any site: a change must come from our own pages.

    Scripts send no Origin; tokens are sent by nobody unasked. Raises PermissionDenied."""
    if scheme.lower() != "basic" or not origin or method in ("GET", "HEAD", "OPTIONS"):
        return
    if urlsplit(origin).netloc.lower() != host.lower() and origin not in settings.CSRF_TRUSTED_ORIGINS:
        raise PermissionDenied("Changes are not taken from another site")


class HeaderAuthentication(BaseAuthentication):
    """Basic and Bearer. `request.auth` is the caller's Access, whatever the scheme."""

    def authenticate(self, request: Any) -> tuple[Any, Access] | None:
        header = request.META.get("HTTP_AUTHORIZATION", "")
        caller = identify(header, request.META.get("REMOTE_ADDR", "")) if header else None
        if caller:
            origin, host = request.META.get("HTTP_ORIGIN", ""), request.get_host()
            refuse_foreign_origin(request.method, origin, host, header.partition(" ")[0])
        return (caller.user, caller.access) if caller else None

    def authenticate_header(self, request: Any) -> str:
        return CHALLENGE


def is_basic(request: Any) -> bool:
    return str(request.META.get("HTTP_AUTHORIZATION", "")).partition(" ")[0].lower() == "basic"


class CookieAuthentication(SessionAuthentication):
    """The browser's session, with CSRF enforced."""

    def authenticate(self, request: Any) -> tuple[Any, Access] | None:
        found = super().authenticate(request)
        return (found[0], access.of_user(found[0])) if found else None

    def authenticate_header(self, request: Any) -> str:
        return CHALLENGE


class NamespacePermission(BasePermission):
    """Refuses who has not the view's role: in the namespace of the path where there is one, else anywhere at all."""

    def has_permission(self, request: Any, view: Any) -> bool:
        if not isinstance(request.auth, Access):
            return False
        role = role_of(view, request.method)
        namespace = view.kwargs.get("namespace")
        return request.auth.allows(role, namespace) if namespace else request.auth.allows_somewhere(role)


def role_of(view: Any, method: str) -> Role:
    """A view names the role of a method in `roles`; silent ones read with VIEWER and write with OPERATOR."""
    roles: dict[str, Role] = getattr(view, "roles", {})
    default = Role.VIEWER if method in ("GET", "HEAD", "OPTIONS") else Role.OPERATOR
    return roles.get(method, roles.get("*", default))


def user_of_session(cookies: str) -> Any:
    """The user whom a Cookie header's session belongs to, or None: for streams, which run outside Django's middleware."""
    key = parse_cookie(cookies).get(settings.SESSION_COOKIE_NAME)
    if not key:
        return None
    return _row(f"session:{key}", lambda: _read_session(key))


def _read_session(key: str) -> Any:
    session = import_module(settings.SESSION_ENGINE).SessionStore(key)
    request = HttpRequest()
    request.session = session
    user = get_user(request)
    return user if user.is_authenticated and user.is_active else None
