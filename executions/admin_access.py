"""API tokens and the audit in the administration."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.http import HttpRequest
from django.utils.html import format_html
from unfold.widgets import UnfoldAdminTextInputWidget

from executions.admin_base import InstanceAdmin
from executions.api import auth
from executions.models import (
    ApiToken,
    AuditRecord,
)
from flows import access
from flows.access import Role


class TokenForm(forms.ModelForm):  # type: ignore[type-arg]
    scopes = forms.MultipleChoiceField(
        required=False,
        choices=[(name, name.replace("_", " ")) for name in access.scopes()],
        widget=forms.CheckboxSelectMultiple,
        help_text="none chosen: all that the owner may do",
    )
    namespaces = forms.CharField(
        required=False,
        widget=UnfoldAdminTextInputWidget,
        help_text="separated by blanks; empty: all of the owner's",
    )

    class Meta:
        model = ApiToken
        fields = ("user", "name", "scopes", "namespaces", "expires")

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        if "expires" in self.fields:
            self.fields["expires"].required = False

    def clean_namespaces(self) -> list[str]:
        return str(self.cleaned_data["namespaces"]).split()


@admin.register(ApiToken)
class TokenAdmin(InstanceAdmin):
    """Made once and shown once; afterwards a token can only be deleted."""

    form = TokenForm
    change_role = Role.ADMIN
    may_add = may_delete = True
    list_display = ("name", "user", "scopes", "namespaces", "created", "expires", "last_used")
    search_fields = ("name", "user__username")
    ordering = ("-created",)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return obj is None and super().has_change_permission(request, obj)

    def save_model(self, request: HttpRequest, obj: ApiToken, form: Any, change: bool) -> None:
        values = form.cleaned_data
        token = auth.issue_token(
            values["user"],
            values["name"],
            scopes=values["scopes"],
            namespaces=values["namespaces"],
            expires=values["expires"],
        )
        saved = ApiToken.objects.filter(user=values["user"], name=values["name"]).latest("id")
        obj.__dict__.update({name: value for name, value in saved.__dict__.items() if name != "_state"})
        text = "The token, shown only now. Copy it and keep it as a secret: {}"
        messages.warning(request, format_html(text, format_html("<code>{}</code>", token)))


@admin.register(AuditRecord)
class AuditAdmin(InstanceAdmin):
    list_display = ("timestamp", "actor", "action", "target", "address")
    list_filter = ("action",)
    search_fields = ("actor", "action", "target")
    ordering = ("-id",)
