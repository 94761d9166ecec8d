"""The typed inputs of a flow: one frozen model per Kestra type. Checking given values is inputs.py's part."""

import difflib
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal, Self

import regex
from pydantic import AfterValidator, BeforeValidator, Field, field_validator, model_validator

from flows.definition.durations import Duration
from flows.definition.errors import structure_error
from flows.definition.strict import Strict
from flows.expressions.errors import ExpressionError
from flows.expressions.patterns import check_size

InputType = Literal[
    "STRING", "SELECT", "ENUM", "INT", "FLOAT", "BOOLEAN", "BOOL", "DATETIME", "DATE", "TIME", "DURATION",
    "FILE", "JSON", "ION", "OBJECT", "URI", "SECRET", "ARRAY", "MULTISELECT", "YAML", "EMAIL",
]  # fmt: skip


class DependsOn(Strict):
    """The input is asked for only when `condition` holds, which may name these other inputs."""

    inputs: tuple[str, ...] = ()
    condition: str | None = None


class Input(Strict):
    """What every input has. Its defaults may be templates: they are rendered when an execution is created."""

    id: str = Field(pattern=r"^[a-zA-Z0-9][.a-zA-Z0-9_-]*$", min_length=1)
    type: str
    description: str | None = None
    display_name: str | None = None
    required: bool = True
    defaults: Any = None
    prefill: Any = None
    depends_on: DependsOn | None = None

    @model_validator(mode="before")
    @classmethod
    def _older_name(cls, value: Any) -> Any:
        """`name` is the older word for `id`."""
        if isinstance(value, Mapping) and "name" in value:
            value = dict(value)
            name = value.pop("name")
            value.setdefault("id", name)
        return value


def _compiles(pattern: str | None) -> str | None:
    if pattern is not None:
        try:
            check_size(pattern)
            regex.compile(pattern)
        except (regex.error, ExpressionError) as error:
            raise ValueError(f"Invalid regular expression `{pattern}`: {error}") from None
    return pattern


Pattern = Annotated[str | None, AfterValidator(_compiles)]


class StringInput(Input):
    validator: Pattern = None


class SecretInput(StringInput):
    """Encrypted at rest."""


class IntInput(Input):
    min: int | None = None
    max: int | None = None


class FloatInput(Input):
    min: float | None = None
    max: float | None = None


class MomentInput(Input):
    """DATE, TIME and DATETIME: limits stay text until they are compared."""

    after: str | None = None
    before: str | None = None


class DurationInput(Input):
    min: Duration | None = None
    max: Duration | None = None


class EnumInput(Input):
    values: tuple[str, ...] = Field(min_length=1)


def _one_source(*sources: Any) -> None:
    if sum(bool(source) for source in sources) != 1:
        raise ValueError("exactly one of `values` and `expression` must be set")


class SelectInput(Input):
    values: tuple[str, ...] = ()
    expression: str | None = None
    allow_custom_value: bool = False
    is_radio: bool = False
    auto_select_first: bool = False

    @model_validator(mode="after")
    def _has_values(self) -> Self:
        _one_source(self.values, self.expression)
        return self


class MultiselectInput(Input):
    values: tuple[str, ...] = ()
    options: tuple[str, ...] = ()  # the older word for values
    expression: str | None = None
    item_type: InputType = "STRING"
    allow_custom_value: bool = False

    @model_validator(mode="after")
    def _has_values(self) -> Self:
        _one_source(self.values or self.options, self.expression)
        return self


class ArrayInput(Input):
    item_type: InputType

    @field_validator("item_type")
    @classmethod
    def _no_nested_arrays(cls, value: str) -> str:
        if value == "ARRAY":
            raise ValueError("`itemType` cannot be `ARRAY`")
        return value


class FileInput(Input):
    extension: str | None = None
    allowed_file_extensions: tuple[str, ...] = ()
    accept: Sequence[str] | None = None

    @model_validator(mode="after")
    def _no_defaults(self) -> Self:
        if self.defaults is not None and not str(self.defaults).startswith(("nsfile://", "kestra://", "file://")):
            raise ValueError("no `defaults` can be set for inputs of type 'FILE'")
        return self


INPUT_MODELS: dict[str, type[Input]] = {
    "STRING": StringInput,
    "SECRET": SecretInput,
    "INT": IntInput,
    "FLOAT": FloatInput,
    "DATE": MomentInput,
    "TIME": MomentInput,
    "DATETIME": MomentInput,
    "DURATION": DurationInput,
    "ENUM": EnumInput,
    "SELECT": SelectInput,
    "MULTISELECT": MultiselectInput,
    "ARRAY": ArrayInput,
    "FILE": FileInput,
    "BOOLEAN": Input,
    "BOOL": Input,
    "JSON": Input,
    "YAML": Input,
    "ION": Input,
    "OBJECT": Input,
    "URI": Input,
    "EMAIL": Input,
}


def _resolve(value: Any) -> Any:
    if isinstance(value, Input) or not isinstance(value, Mapping):
        return value
    name = value.get("type")
    model = INPUT_MODELS.get(name) if isinstance(name, str) else None
    if model is None:
        shown = "null" if name is None else str(name)[:100]
        near = difflib.get_close_matches(shown.upper(), INPUT_MODELS, n=1, cutoff=0.7)
        hint = f" (did you mean {near[0]}?)" if near else ""
        raise structure_error("input_type", f"Invalid type: {shown}{hint}", ("type",), name)
    return model.model_validate(value, by_name=False, by_alias=True)


AnyInput = Annotated[Input, BeforeValidator(_resolve)]
