"""What a page needs before it runs: a logged-in user, the role, the rows that this user may see."""

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponseBase
from django.views.decorators.http import require_http_methods

from executions.ids import to_uuid
from executions.models import ExecutionRecord
from flows import access
from flows.access import Access, Role

View = Callable[..., HttpResponseBase]


def page(*methods: str, role: Role = Role.VIEWER) -> Callable[[View], View]:
    """Only for somebody logged in who has `role` at least somewhere; `request.access` tells where."""

    def decorate(view: View) -> View:
        @wraps(view)
        def checked(request: HttpRequest, *arguments: Any, **named: Any) -> HttpResponseBase:
            from_user = access.of_user(request.user)
            if not from_user.allows_somewhere(role):
                raise PermissionDenied(f"This needs the role {role.name.lower()}.")
            request.access = from_user  # type: ignore[attr-defined]
            return view(request, *arguments, **named)

        return login_required(require_http_methods(list(methods or ("GET", "HEAD")))(checked))

    return decorate


def access_of(request: HttpRequest) -> Access:
    found: Access = request.access  # type: ignore[attr-defined]
    return found


def execution_or_404(request: HttpRequest, execution_id: str, role: Role = Role.VIEWER) -> ExecutionRecord:
    """One that this user may not see does not exist for them; one they may only see, they may not act on."""
    try:
        uuid = to_uuid(execution_id)
    except ValueError:
        raise Http404("This is no execution's id.") from None
    found: ExecutionRecord | None = (
        access_of(request).filter(ExecutionRecord.objects.filter(pk=uuid, deleted=False)).first()
    )
    if found is None:
        raise Http404("There is no such execution, or you may not see it.")
    if not access_of(request).allows(role, found.namespace):
        raise PermissionDenied(f"This needs the role {role.name.lower()} in {found.namespace}.")
    return found
