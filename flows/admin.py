"""Flows, and who may do what, in the administration. A saved text becomes a new revision; rows are never edited."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.auth.admin import GroupAdmin as DjangoGroupAdmin
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.contrib.auth.models import Group, User
from django.core.exceptions import PermissionDenied, ValidationError
from django.forms.widgets import Script
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404, redirect
from django.urls import reverse
from django.utils.html import format_html
from unfold.admin import ModelAdmin, TabularInline
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm

from flows import catalog
from flows.access import Role
from flows.admin_base import ScopedAdmin, access_of, asking, button, column
from flows.definition.errors import InvalidFlow
from flows.models import FlowRecord, NamespaceGrant

_START = """\
id: my_flow
namespace: company.team

tasks:
  - id: hello
    type: io.kestra.plugin.core.log.Log
    message: Hello
"""


class SourceForm(forms.ModelForm):  # type: ignore[type-arg]
    """One field, the text. Wrong places are named by line and column; the editor marks them."""

    source = forms.CharField(
        strip=False, widget=forms.Textarea(attrs={"rows": 30, "data-flow-source": "", "spellcheck": "false"})
    )

    class Meta:
        model = FlowRecord
        fields = ("source",)

    def clean_source(self) -> str:
        text: str = self.cleaned_data["source"].replace("\r\n", "\n")
        try:
            self.flow = catalog.check(text)
        except InvalidFlow as error:
            raise ValidationError(
                [f"Line {one.line}, column {one.column}: {one.text}" for one in error.errors]
            ) from None
        if self.instance.pk and (self.flow.namespace, self.flow.id) != (self.instance.namespace, self.instance.flow_id):
            raise ValidationError("The id and the namespace of a flow cannot change: write a new flow instead.")
        if not self.instance.pk and catalog.latest_records().filter(
            namespace=self.flow.namespace, flow_id=self.flow.id
        ):
            raise ValidationError("There is a flow of this id in this namespace already: edit that one.")
        return text


def _switch(disabled: bool) -> Any:
    def run(request: HttpRequest, rows: list[FlowRecord]) -> str:
        for row in rows:
            catalog.set_disabled(row.namespace, row.flow_id, disabled)
        return f"{'Disabled' if disabled else 'Enabled'} {_flows(rows)}."

    return run


def _delete(request: HttpRequest, rows: list[FlowRecord]) -> str:
    for row in rows:
        catalog.delete(row.namespace, row.flow_id)
    return f"Deleted {_flows(rows)}."


def _flows(rows: list[FlowRecord]) -> str:
    return f"{len(rows)} flow{'' if len(rows) == 1 else 's'}"


@admin.register(FlowRecord)
class FlowAdmin(ScopedAdmin):
    form = SourceForm
    change_role = Role.AUTHOR
    may_add = True
    list_display = ("flow_id", "namespace", "revision", "state", "label_list", "created")
    list_filter = ("namespace", "disabled")
    search_fields = ("flow_id", "namespace", "description")
    ordering = ("namespace", "flow_id")
    actions = (
        asking("Enable", "Triggers are armed again, and the flows can be executed.", _switch(False), role=Role.AUTHOR),
        asking(
            "Disable",
            "Nothing starts them any more; what runs goes on. This makes a new revision of each.",
            _switch(True),
            role=Role.AUTHOR,
        ),
        asking(
            "Delete",
            "Nothing starts them any more. Executions, logs and old revisions are kept.",
            _delete,
            role=Role.AUTHOR,
            danger=True,
        ),
    )
    actions_detail = ("execute", "revisions", "open_page")

    class Media:
        css = {"all": ("flows/admin.css", "flows/code.css")}
        js = (Script("flows/admin.js", type="module"),)

    def get_queryset(self, request: HttpRequest) -> Any:
        return super().get_queryset(request).filter(latest=True, deleted=False)

    @column("state", label={"enabled": "success", "disabled": "warning"})
    def state(self, row: FlowRecord) -> str:
        return "disabled" if row.disabled else "enabled"

    @column("labels")
    def label_list(self, row: FlowRecord) -> str:
        return ", ".join(f"{key}:{value}" for key, value in row.labels.items())

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **options: Any) -> Any:
        form = super().get_form(request, obj, change=change, **options)
        if obj is None and "source" in form.base_fields:
            form.base_fields["source"].initial = _START
        return form

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return () if obj is None or self.has_change_permission(request, obj) else ("source",)

    def save_model(self, request: HttpRequest, obj: FlowRecord, form: Any, change: bool) -> None:
        """The catalog writes a new row, which the page goes on with."""
        if not access_of(request).allows(Role.AUTHOR, form.flow.namespace):
            raise PermissionDenied(f"This needs the role author in {form.flow.namespace}.")
        source = form.cleaned_data["source"]
        saved = catalog.revise(obj.namespace, obj.flow_id, source) if change else catalog.create(source)
        obj.__dict__.update({key: value for key, value in saved.__dict__.items() if key != "_state"})

    def log_change(self, request: HttpRequest, obj: FlowRecord, message: Any) -> Any:
        return super().log_change(request, obj, f"revision {obj.revision}")

    def response_change(self, request: HttpRequest, obj: FlowRecord) -> HttpResponse:
        messages.success(request, f"Saved {obj.namespace}.{obj.flow_id}: revision {obj.revision} is the latest.")
        if "_continue" in request.POST:
            return HttpResponseRedirect(reverse("admin:flows_flowrecord_change", args=[obj.pk]))
        return HttpResponseRedirect(reverse("admin:flows_flowrecord_changelist"))

    def history_view(self, request: HttpRequest, object_id: str, extra_context: Any = None) -> HttpResponse:
        return self._page(request, object_id, "/revisions")

    @button("Execute", "execute", "play_arrow")
    def execute(self, request: HttpRequest, object_id: str) -> HttpResponse:
        return self._page(request, object_id, "/execute")

    @button("Revisions", "revisions", "difference")
    def revisions(self, request: HttpRequest, object_id: str) -> HttpResponse:
        return self._page(request, object_id, "/revisions")

    @button("Open page", "open", "open_in_new")
    def open_page(self, request: HttpRequest, object_id: str) -> HttpResponse:
        return self._page(request, object_id, "")

    def _page(self, request: HttpRequest, object_id: str, rest: str) -> HttpResponse:
        """Of a flow whose name this reader may know; those pages ask for more rights themselves."""
        row = get_object_or_404(access_of(request).filter(FlowRecord.objects.all()), pk=object_id)
        return redirect(f"/flows/{row.namespace}/{row.flow_id}{rest}")


class GrantInline(TabularInline):  # type: ignore[misc]
    model = NamespaceGrant
    extra = 1
    verbose_name = "right"
    verbose_name_plural = "rights of the members of this group"

    def formfield_for_dbfield(self, db_field: Any, request: HttpRequest, **options: Any) -> Any:
        """The titles of the columns are no labels to those who hear the page."""
        field = super().formfield_for_dbfield(db_field, request, **options)
        if field is not None:
            field.widget.attrs["aria-label"] = str(db_field.verbose_name)
        return field


class OnlyAdministrators:
    """Users, groups and rights: for administrators of the instance."""

    def has_module_permission(self, request: HttpRequest) -> bool:
        return access_of(request).allows(Role.ADMIN, "")

    def _may(self, request: HttpRequest, obj: Any = None) -> bool:
        return access_of(request).allows(Role.ADMIN, "")

    has_view_permission = has_change_permission = has_delete_permission = _may

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return access_of(request).allows(Role.ADMIN, "")


class GrantRights(OnlyAdministrators, GrantInline):
    """The same rights for the rows inside a group's form."""


admin.site.unregister(User)
admin.site.unregister(Group)


@admin.register(User)
class UserAdmin(OnlyAdministrators, DjangoUserAdmin, ModelAdmin):  # type: ignore[misc, type-arg]
    form = UserChangeForm
    add_form = UserCreationForm
    change_password_form = AdminPasswordChangeForm
    list_display = ("username", "email", "group_names", "is_active", "is_staff", "is_superuser", "last_login")
    fieldsets = (
        (None, {"fields": ("username", "password")}),
        ("Person", {"fields": ("first_name", "last_name", "email")}),
        (
            "Rights",
            {
                "fields": ("is_active", "is_staff", "is_superuser", "groups"),
                "description": "What a user may do is granted to groups, by namespace. A superuser may do everything; "
                "staff may open the administration and see there what their groups allow.",
            },
        ),
        ("Dates", {"fields": ("last_login", "date_joined")}),
    )
    readonly_fields = ("last_login", "date_joined")

    @column("groups")
    def group_names(self, user: User) -> str:
        return ", ".join(group.name for group in user.groups.all())

    def get_queryset(self, request: HttpRequest) -> Any:
        return super().get_queryset(request).prefetch_related("groups")


@admin.register(Group)
class GroupAdmin(OnlyAdministrators, DjangoGroupAdmin, ModelAdmin):  # type: ignore[misc]
    fields = ("name",)
    inlines = (GrantRights,)
    list_display = ("name", "rights", "members")

    @column("rights")
    def rights(self, group: Group) -> Any:
        rows = NamespaceGrant.objects.filter(group=group).order_by("namespace")
        return format_html("{}", "; ".join(f"{one.role} in {one.namespace or 'every namespace'}" for one in rows))

    @column("members")
    def members(self, group: Group) -> int:
        return int(group.user_set.count())


admin.site.site_url = "/"
