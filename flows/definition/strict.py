"""The pydantic base of everything that is read from a flow's YAML. Knows no task type."""

from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel


class Strict(BaseModel):
    """Frozen, camelCase in YAML, unknown properties refused; numbers are welcome where text is asked for."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        alias_generator=to_camel,
        populate_by_name=True,
        arbitrary_types_allowed=True,
        coerce_numbers_to_str=True,
    )
