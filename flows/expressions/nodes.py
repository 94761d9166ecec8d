"""The syntax tree of a template: plain values, no behaviour."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields


@dataclass(slots=True)
class Node:
    position: int


@dataclass(slots=True)
class Literal(Node):
    value: object


@dataclass(slots=True)
class Name(Node):
    name: str


@dataclass(slots=True)
class Attribute(Node):
    """`target.key` and `target[key]`; a dotted key is a Literal."""

    target: Node
    key: Node


@dataclass(slots=True)
class Arguments:
    positional: list[Node]
    named: dict[str, Node]


@dataclass(slots=True)
class FunctionCall(Node):
    name: str
    arguments: Arguments


@dataclass(slots=True)
class FilterCall(Node):
    target: Node
    name: str
    arguments: Arguments


@dataclass(slots=True)
class TestCall(Node):
    target: Node
    name: str
    arguments: Arguments
    negated: bool


@dataclass(slots=True)
class Unary(Node):
    operator: str
    operand: Node


@dataclass(slots=True)
class Binary(Node):
    operator: str
    left: Node
    right: Node


@dataclass(slots=True)
class Concat(Node):
    """`a ~ b ~ c` and strings with `#{}` inside."""

    parts: list[Node]


@dataclass(slots=True)
class Ternary(Node):
    condition: Node
    then: Node
    otherwise: Node


@dataclass(slots=True)
class ListLiteral(Node):
    items: list[Node]


@dataclass(slots=True)
class MapLiteral(Node):
    items: list[tuple[Node, Node]]


# Statements


@dataclass(slots=True)
class Text(Node):
    text: str
    raw: bool


@dataclass(slots=True)
class Print(Node):
    expression: Node


@dataclass(slots=True)
class Body(Node):
    statements: list[Node]


@dataclass(slots=True)
class If(Node):
    branches: list[tuple[Node, Body]]
    otherwise: Body | None


@dataclass(slots=True)
class For(Node):
    variable: str
    iterable: Node
    body: Body
    otherwise: Body | None


@dataclass(slots=True)
class Set(Node):
    name: str
    value: Node


@dataclass(slots=True)
class Macro(Node):
    name: str
    parameters: list[tuple[str, Node | None]]
    body: Body


@dataclass(slots=True)
class Block(Node):
    name: str
    body: Body


@dataclass(slots=True)
class FilterBlock(Node):
    """`{% filter upper | trim %}…{% endfilter %}`: innermost filter first."""

    filters: list[tuple[str, Arguments, int]]
    body: Body


def walk(node: Node) -> Iterator[Node]:
    """The node and everything under it."""
    waiting: list[object] = [node]
    while waiting:
        item = waiting.pop()
        if isinstance(item, Node):
            yield item
        if isinstance(item, (Node, Arguments)):
            waiting.extend(getattr(item, field.name) for field in fields(item))
        elif isinstance(item, dict):
            waiting.extend(item.values())
        elif isinstance(item, (list, tuple)):
            waiting.extend(item)
