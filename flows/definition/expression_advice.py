"""Expressions of a flow that cannot work, whatever they are given: unknown filters and functions, missing braces. Pure.

Advice, not refusals: Kestra stores such a flow too, and it fails when the expression is rendered.
"""

import re
from collections.abc import Iterator

from flows.definition.errors import Location, Violation, path_text
from flows.definition.yaml_guard import Node
from flows.expressions import nodes
from flows.expressions.compile import compile_template
from flows.expressions.errors import ExpressionError, place_of
from flows.expressions.functions import FUNCTIONS
from flows.expressions.parser import parse
from flows.expressions.services import SERVICE_FUNCTIONS

_MOST = 100
# Texts that are for people, or names: never rendered.
_PLAIN = frozenset({"id", "type", "namespace", "description", "displayName"})
_ROOTS = "inputs|outputs|vars|labels|execution|flow|task|taskrun|trigger|envs|globals|secret|kv|namespace"
_ONE_BRACE = re.compile(rf"(?<![{{$#%])\{{\s*(?:{_ROOTS})\b[^{{}}]*\}}\}}")


def expression_advice(root: Node, source: str) -> list[Violation]:
    """Each with the place in `source` where the expression goes wrong."""
    found: list[Violation] = []
    lines = source.splitlines()
    for path, node in _texts(root, ()):
        wrong = _wrong_with(str(node.value))
        if wrong is not None:
            message, line, column = wrong
            found.append(Violation(message, path_text(path), *_placed(node, lines, line, column)))
            if len(found) == _MOST:
                break
    return found


def advice_text(one: Violation) -> str:
    return f"{one.path}: {one.message} (line {one.line}, column {one.column})"


def _texts(node: Node, path: Location) -> Iterator[tuple[Location, Node]]:
    if isinstance(node.value, str):
        yield path, node
    for key, child in node.children.items():
        if key not in _PLAIN:
            yield from _texts(child, (*path, key))


def _wrong_with(text: str) -> tuple[str, int, int] | None:
    """The reason, and line and column in the text."""
    if "{{" not in text and "{%" not in text:
        bare = _ONE_BRACE.search(text)
        return None if bare is None else ('An expression begins with "{{"', *place_of(text, bare.start()))
    try:
        compile_template(text)
        unknown = _unknown_function(text)
    except ExpressionError as error:
        reason = error.message.split(" at line ")[0].split("\n")[0]
        return reason, error.line or 1, error.column or 1
    if unknown is None:
        return None
    return f"Function or Macro [{unknown.name}] does not exist.", *place_of(text, unknown.position)


def _unknown_function(text: str) -> nodes.FunctionCall | None:
    every = list(nodes.walk(parse(text)))
    macros = {node.name for node in every if isinstance(node, nodes.Macro)}
    known = FUNCTIONS.keys() | SERVICE_FUNCTIONS.keys() | macros
    return next((node for node in every if isinstance(node, nodes.FunctionCall) and node.name not in known), None)


def _placed(node: Node, lines: list[str], line: int, column: int) -> tuple[int, int]:
    """Where that place of the text stands in the document: scalars are folded, quoted and indented, so it is looked up."""
    wanted = str(node.value).splitlines()[line - 1 : line]
    part = wanted[0].strip() if wanted else ""
    lead = len(wanted[0]) - len(wanted[0].lstrip()) if wanted else 0
    for number in range(node.line, min(len(lines), node.line + 200) + 1):
        start = lines[number - 1].find(part) if part else -1
        if start >= 0:
            return number, start + 1 + max(0, column - 1 - lead)
    return node.line, node.column
