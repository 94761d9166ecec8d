"""Secrets in the admin: written, never shown again."""

from typing import Any

from django import forms
from django.contrib import admin
from unfold.admin import ModelAdmin

from executions.models import SecretRecord
from executions.storage import secrets


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
class SecretAdmin(ModelAdmin):  # type: ignore[misc]
    form = SecretForm
    list_display = ("namespace", "key", "description", "updated")
    list_filter = ("namespace",)
    search_fields = ("namespace", "key", "description")
    ordering = ("namespace", "key")
