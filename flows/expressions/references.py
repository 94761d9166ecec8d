"""Which variables templates name, found in their syntax trees without rendering them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from flows.expressions import nodes
from flows.expressions.errors import ExpressionError
from flows.expressions.parser import parse

# What some functions read from the variables besides their arguments.
READ_BY = {
    "currentEachOutput": ("parents", "taskrun"),
    "fileURI": ("flow",),
    "iterationOutput": ("taskrun",),
    # Who started the execution: its files may be read too.
    "read": ("trigger",),
    "fileSize": ("trigger",),
    "fileExists": ("trigger",),
    "isFileEmpty": ("trigger",),
    "fileEmpty": ("trigger",),
    "parentOutput": ("parents",),
    "tasksWithState": ("tasks",),
}
UNBOUNDED = frozenset({"render", "renderOnce", "printContext", "fetchContext"})


@dataclass(frozen=True, slots=True)
class References:
    """Root names, task ids under `outputs` and ids under `inputs`; `everything` when that cannot be told."""

    roots: frozenset[str] = frozenset()
    outputs: frozenset[str] = frozenset()
    inputs: frozenset[str] = frozenset()
    everything: bool = False

    def __or__(self, other: References) -> References:
        return References(
            self.roots | other.roots,
            self.outputs | other.outputs,
            self.inputs | other.inputs,
            self.everything or other.everything,
        )


NOTHING = References()


def references(value: object) -> References:
    """Of a template, or of every template in maps (keys too) and lists."""
    if isinstance(value, str):
        if "{{" not in value and "{%" not in value:
            return NOTHING
        return _of_template(str(value))
    found = NOTHING
    if isinstance(value, Mapping):
        for key in value:
            found = found | references(key) | references(value[key])
    elif isinstance(value, (list, tuple, set, frozenset)):
        for item in value:
            found = found | references(item)
    return found


@lru_cache(maxsize=4096)
def _of_template(source: str) -> References:
    try:
        body = parse(source)
    except ExpressionError:
        # It will fail when it is rendered, whatever it is given.
        return NOTHING
    finder = _Finder()
    for node in nodes.walk(body):
        finder.visit(node)
    return finder.found()


class _Finder:
    def __init__(self) -> None:
        self.roots: set[str] = set()
        self.members: dict[str, set[str]] = {"outputs": set(), "inputs": set()}
        self.resolved: set[int] = set()
        self.everything = False

    def visit(self, node: nodes.Node) -> None:
        if isinstance(node, nodes.Attribute):
            self.attribute(node)
        elif isinstance(node, nodes.Name):
            self.roots.add(node.name)
            if node.name in self.members and id(node) not in self.resolved:
                # The map as a whole: `outputs | json`, `outputs[expression]`.
                self.everything = True
        elif isinstance(node, nodes.FunctionCall):
            self.roots.update(READ_BY.get(node.name, ()))
            self.everything = self.everything or node.name in UNBOUNDED

    def attribute(self, node: nodes.Attribute) -> None:
        target = node.target
        if not isinstance(target, nodes.Name) or target.name not in self.members:
            return
        if isinstance(node.key, nodes.Literal):
            self.members[target.name].add(str(node.key.value))
            self.resolved.add(id(target))

    def found(self) -> References:
        return References(
            frozenset(self.roots),
            frozenset(self.members["outputs"]),
            frozenset(self.members["inputs"]),
            self.everything,
        )
