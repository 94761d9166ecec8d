"""Rendered values of typed outputs, of a flow or of a loop's iteration. Pure."""

from typing import Any

from flows.definition.input_values import Refused, convert
from flows.definition.properties import Output


def typed(output: Output, value: Any) -> Any:
    """The value as the output's type; none stays none. Raises ValueError."""
    if output.type is None or value is None:
        return value
    try:
        return convert(output.type, value)
    except Refused as error:
        raise ValueError(f"Invalid output `{output.id}`: {error}") from None
