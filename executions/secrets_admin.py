"""Secrets in the admin: written, never shown again."""

from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest

from executions.models import SecretRecord
from executions.storage import secrets
from flows.access import Role
from flows.admin_base import ScopedAdmin, access_of


class SecretForm(forms.ModelForm):  # type: ignore[type-arg]
    new_value = forms.CharField(
        label="Value",
        required=False,
        strip=False,
        widget=forms.Textarea(attrs={"rows": 3, "autocomplete": "off", "spellcheck": "false"}),
        help_text="Stored encrypted and never shown again. Leave empty to keep the present value.",
    )

    class Meta:
        model = SecretRecord
        fields = ("namespace", "key", "description")
        widgets = {name: forms.TextInput(attrs={"size": 60}) for name in ("namespace", "key", "description")}

    def clean_key(self) -> str:
        key: str = self.cleaned_data["key"]
        try:
            secrets.check_key(key)
        except secrets.InvalidSecret as error:
            raise forms.ValidationError(str(error)) from None
        return key

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or {}
        value = cleaned.get("new_value")
        if not value and self.instance.pk is None:
            self.add_error("new_value", "A new secret needs a value.")
        elif value:
            try:
                self.instance.value = secrets.closed(value)
            except secrets.InvalidSecret as error:
                self.add_error("new_value", str(error))
        return cleaned


@admin.register(SecretRecord)
class SecretAdmin(ScopedAdmin):
    form = SecretForm
    change_role = Role.AUTHOR
    may_add = may_delete = True
    list_display = ("namespace", "key", "description", "updated")
    list_filter = ("namespace",)
    search_fields = ("namespace", "key", "description")
    ordering = ("namespace", "key")

    def save_model(self, request: HttpRequest, obj: SecretRecord, form: Any, change: bool) -> None:
        """Neither from nor into a namespace where the user may not write."""
        for namespace in {obj.namespace, form.initial.get("namespace", obj.namespace)}:
            if not access_of(request).allows(Role.AUTHOR, namespace):
                raise PermissionDenied(f"This needs the role author in {namespace}.")
        super().save_model(request, obj, form, change)
