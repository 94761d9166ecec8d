"""A template: tasks stored by themselves, for flows to take in (deprecated in Kestra, Subflow is its successor). Pure."""

from typing import Any

from pydantic import Field, PrivateAttr

from flows.definition.strict import Strict
from flows.tasks.base import AnyTask


class Template(Strict):
    id: str = Field(pattern=r"^[a-zA-Z0-9][a-zA-Z0-9._-]*$", max_length=100)
    namespace: str = Field(pattern=r"^[a-z0-9][a-z0-9._-]*$", max_length=150)
    description: str | None = None
    tasks: tuple[AnyTask, ...] = Field(min_length=1)
    errors: tuple[AnyTask, ...] | None = None
    tenant_id: str | None = None
    deleted: bool = False

    _source: str = PrivateAttr(default="")
    _document: dict[str, Any] = PrivateAttr(default_factory=dict)

    @property
    def source(self) -> str:
        return self._source

    @property
    def document(self) -> dict[str, Any]:
        """The text as plain data. Not to be changed."""
        return self._document
