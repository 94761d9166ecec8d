"""What a page needs before it runs: somebody logged in, and the role. `flows.access` decides on rows."""

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponseBase
from django.views.decorators.http import require_http_methods

from flows import access
from flows.access import Access, Role

View = Callable[..., HttpResponseBase]


def page(*methods: str, role: Role = Role.VIEWER) -> Callable[[View], View]:
    """Only for somebody logged in who has `role` at least somewhere; `access_of(request)` tells where."""

    def decorate(view: View) -> View:
        @wraps(view)
        def checked(request: HttpRequest, *arguments: Any, **named: Any) -> HttpResponseBase:
            given = access.of_user(request.user)
            if not given.allows_somewhere(role):
                raise PermissionDenied(f"This needs the role {role.name.lower()}.")
            request.access = given  # type: ignore[attr-defined]
            return view(request, *arguments, **named)

        return login_required(require_http_methods(list(methods or ("GET", "HEAD")))(checked))

    return decorate


def access_of(request: HttpRequest) -> Access:
    found: Access = request.access  # type: ignore[attr-defined]
    return found


def require(request: HttpRequest, role: Role, namespace: str) -> None:
    if not access_of(request).allows(role, namespace):
        raise PermissionDenied(f"This needs the role {role.name.lower()} in {namespace}.")
