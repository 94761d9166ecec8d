"""How filters, functions and tests are described: a plain function and the names of its arguments."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Operation:
    """`names` are the arguments as templates spell them, in order; null passes through unless it is taken."""

    function: Callable[..., object]
    names: tuple[str, ...]
    parameters: tuple[str, ...]
    required: int
    variadic: bool
    takes_null: bool
    # Whether a secret in the arguments makes the result secret, or the result is just a part of them.
    derives: bool = True


def operation(
    function: Callable[..., object], *, takes_null: bool = False, subject: bool = True, derives: bool = True
) -> Operation:
    """Reads the arguments off the signature: (frame, value, …) of filters and tests, else (frame, …)."""
    described = list(inspect.signature(function).parameters.values())[2 if subject else 1 :]
    plain = [each for each in described if each.kind is not inspect.Parameter.VAR_POSITIONAL]
    return Operation(
        function=function,
        names=tuple(_camel(each.name) for each in plain),
        parameters=tuple(each.name for each in plain),
        required=sum(1 for each in plain if each.default is inspect.Parameter.empty),
        variadic=len(plain) < len(described),
        takes_null=takes_null,
        derives=derives,
    )


def function(implementation: Callable[..., object], *, derives: bool = True) -> Operation:
    return operation(implementation, takes_null=True, subject=False, derives=derives)


def _camel(name: str) -> str:
    first, *others = name.rstrip("_").split("_")
    return first + "".join(word.capitalize() for word in others)
