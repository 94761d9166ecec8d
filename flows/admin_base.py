"""What every part of the administration shares: rights by namespace, read-only by default, actions that ask first."""

from collections.abc import Callable, Sequence
from typing import Any, ClassVar, TypeVar, cast

from django.contrib import messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.db.models import TextField
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from unfold.admin import ModelAdmin
from unfold.decorators import action, display
from unfold.widgets import UnfoldAdminTextInputWidget

from flows import access
from flows.access import Access, Role

SHOWN = 20
_Method = TypeVar("_Method", bound=Callable[..., Any])


def column(description: str, **options: Any) -> Callable[[_Method], _Method]:
    """A computed column or field: unfold's decorator, which has no types."""
    return cast(Callable[[_Method], _Method], display(description=description, **options))


def button(description: str, url_path: str, icon: str) -> Callable[[_Method], _Method]:
    """A button of a row's page or of a list."""
    return cast(Callable[[_Method], _Method], action(description=description, url_path=url_path, icon=icon))


def access_of(request: HttpRequest) -> Access:
    return access.of_user(request.user)


class ScopedAdmin(ModelAdmin):  # type: ignore[misc]
    """Rows of the namespaces that the user may see, read-only unless `change_role` says who may write.

    `namespace_field` None: rows of the whole instance, which need the role anywhere (`Role.ADMIN` by default).
    """

    namespace_field: ClassVar[str | None] = "namespace"
    view_role: ClassVar[Role] = Role.VIEWER
    change_role: ClassVar[Role | None] = None
    may_add: ClassVar[bool] = False
    may_delete: ClassVar[bool] = False
    list_per_page = 50
    show_full_result_count = False  # counting a large table for a caption is not worth it
    list_filter_submit = True
    compressed_fields = True
    formfield_overrides: ClassVar[dict[Any, Any]] = {
        TextField: {"widget": UnfoldAdminTextInputWidget}
    }  # names, not prose

    def get_queryset(self, request: HttpRequest) -> Any:
        rows = super().get_queryset(request)
        if self.namespace_field is None:
            return rows
        return access_of(request).filter(rows, self.view_role, self.namespace_field)

    def _allowed(self, request: HttpRequest, role: Role | None, obj: Any = None) -> bool:
        if role is None:
            return False
        given = access_of(request)
        if obj is None or self.namespace_field is None:
            return given.allows_somewhere(role)
        return given.allows(role, getattr(obj, self.namespace_field))

    def has_module_permission(self, request: HttpRequest) -> bool:
        return self._allowed(request, self.view_role)

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self._allowed(request, self.view_role, obj)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self._allowed(request, self.change_role, obj)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return self.may_add and self._allowed(request, self.change_role)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self.may_delete and self._allowed(request, self.change_role, obj)


def asking(
    label: str, text: str, run: Callable[[HttpRequest, list[Any]], str], *, role: Role, danger: bool = False
) -> Callable[..., HttpResponse | None]:
    """An action of a list that first says what it will do and to how many. `run` returns what was done.

    Rows in which the user has not the role are left out, and said so.
    """

    def ask(admin: ScopedAdmin, request: HttpRequest, rows: Any) -> HttpResponse | None:
        chosen = [row for row in rows[:1000] if admin._allowed(request, role, row)]
        refused = min(rows.count(), 1000) - len(chosen)
        if refused:
            messages.warning(request, f"Left out {refused}: they need the role {role.name.lower()} in their namespace.")
        if not chosen:
            return None
        if request.POST.get("confirmed"):
            messages.success(request, run(request, chosen))
            return None
        return _question(admin, request, chosen, ask.__name__, label, text, danger)

    ask.__name__ = label.lower().replace(" ", "_").replace("…", "")
    ask.short_description = f"{label}…"  # type: ignore[attr-defined]
    return ask


def _question(
    admin: ScopedAdmin, request: HttpRequest, chosen: Sequence[Any], name: str, label: str, text: str, danger: bool
) -> HttpResponse:
    meta = admin.model._meta
    count = len(chosen)
    context = {
        **admin.admin_site.each_context(request),
        "title": f"{label} {count} {meta.verbose_name if count == 1 else meta.verbose_name_plural}?",
        "opts": meta,
        "text": text,
        "label": label,
        "danger": danger,
        "action_name": name,
        "checkbox": ACTION_CHECKBOX_NAME,
        "chosen": chosen,
        "shown": chosen[:SHOWN],
        "more": max(0, count - SHOWN),
    }
    return TemplateResponse(request, "admin/asking.html", context)
