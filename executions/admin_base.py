"""What the administration of executions shares."""

from typing import Any

from django.http import HttpRequest
from django.utils.html import format_html

from executions.ids import to_base62
from flows import access
from flows.access import Role
from flows.admin_base import ScopedAdmin


class InstanceAdmin(ScopedAdmin):
    """Rows of the machinery, for administrators of the instance."""

    namespace_field = None
    view_role = Role.ADMIN

    def _allowed(self, request: HttpRequest, role: Role | None, obj: Any = None) -> bool:
        return role is not None and access.of_user(request.user).allows(role, "")


def execution_link(execution_id: Any) -> Any:
    if execution_id is None:
        return "—"
    text = to_base62(execution_id)
    return format_html('<a href="/executions/{}">{}</a>', text, text)
