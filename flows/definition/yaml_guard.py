"""YAML text to plain data and positions, event by event: no text can crash, stall or bloat the process.

PyYAML's C composer recurses in C (50,000 nested brackets end the process); its event parser does not.
Scalars follow YAML 1.2's core schema: `on` is text, `010` is ten. Keys are always text, as written.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import yaml
from yaml import events

MAX_BYTES = 1_000_000
MAX_DEPTH = 100
MAX_NODES = 50_000
MAX_EXPANSION = 10  # nodes after aliases are followed, per node written
_FREE_EXPANSION = 1_000  # a small document may repeat its anchors as it likes
_MAX_DIGITS = 400

_Loader = getattr(yaml, "CLoader", yaml.Loader)

_NULLS = frozenset({"", "~", "null", "Null", "NULL"})
_BOOLEANS = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
_INTEGER = re.compile(r"[-+]?[0-9]+")
_OCTAL = re.compile(r"0o[0-7]+")
_HEXADECIMAL = re.compile(r"0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_INFINITE = re.compile(r"[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)")
_TAG = "tag:yaml.org,2002:"


class YamlRefused(Exception):
    """The text is not YAML, or not YAML that may be read. Lines and columns count from 1."""

    def __init__(self, message: str, line: int = 1, column: int = 1) -> None:
        super().__init__(message)
        self.message, self.line, self.column = message, line, column


@dataclass(slots=True)
class Node:
    """Where a value stands, and what it was made of."""

    value: Any
    line: int
    column: int
    size: int = 1  # nodes in it with aliases followed
    keys: dict[str, tuple[int, int]] = field(default_factory=dict)
    children: "dict[Any, Node]" = field(default_factory=dict)  # by key or index

    def at(self, path: tuple[str | int, ...]) -> tuple[int, int]:
        """Line and column of the deepest part of `path` that is written; of the key of a property."""
        node, position = self, (self.line, self.column)
        for part in path:
            child = node.children.get(part)
            if child is None:
                break
            position = (
                node.keys.get(part, (child.line, child.column))
                if isinstance(part, str)
                else (
                    child.line,
                    child.column,
                )
            )
            node = child
        return position


@dataclass(slots=True)
class _Reading:
    """Counters over all that was read so far."""

    anchors: dict[str, Node] = field(default_factory=dict)
    open_anchors: set[str] = field(default_factory=set)
    nodes: int = 0
    expanded: int = 0


def read_documents(source: str, max_bytes: int = MAX_BYTES) -> list[Node]:
    """Every document of the text. Raises YamlRefused, and nothing else."""
    if len(source) > max_bytes or len(source.encode("utf-8", "surrogatepass")) > max_bytes:
        raise YamlRefused(f"the text is larger than {max_bytes} bytes")
    try:
        return list(_documents(_Loader(source)))
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
        raise YamlRefused(f"Invalid YAML: {error.problem or error.context}", line, column) from None
    except UnicodeError:
        raise YamlRefused("the text is not valid Unicode") from None
    except (yaml.YAMLError, ValueError) as error:
        raise YamlRefused(f"Invalid YAML: {error}") from None


def read_document(source: str, max_bytes: int = MAX_BYTES) -> Node:
    """The only document of the text; an empty text is a null. Raises YamlRefused."""
    documents = read_documents(source, max_bytes)
    if len(documents) > 1:
        raise YamlRefused("expected a single document but found another", documents[1].line, documents[1].column)
    return documents[0] if documents else Node(None, 1, 1)


def _documents(loader: Any) -> Iterator[Node]:
    reading = _Reading()
    try:
        while loader.check_event():
            event = loader.get_event()
            if isinstance(event, events.DocumentStartEvent):
                reading.anchors.clear()
            elif isinstance(event, events.NodeEvent):
                yield _node(loader, event, reading, 1)
    finally:
        loader.dispose()


def _node(loader: Any, event: Any, reading: _Reading, depth: int) -> Node:
    line, column = event.start_mark.line + 1, event.start_mark.column + 1
    reading.nodes += 1
    if reading.nodes > MAX_NODES:
        raise YamlRefused(f"more than {MAX_NODES} nodes", line, column)
    if depth > MAX_DEPTH:
        raise YamlRefused(f"nested deeper than {MAX_DEPTH} levels", line, column)
    if isinstance(event, events.AliasEvent):
        return _alias(event.anchor, reading, line, column)
    anchor = event.anchor
    if anchor:
        reading.anchors.pop(anchor, None)
        reading.open_anchors.add(anchor)
    if isinstance(event, events.ScalarEvent):
        node = Node(_scalar(event, line, column), line, column)
    elif isinstance(event, events.SequenceStartEvent):
        node = _sequence(loader, event, reading, depth, Node([], line, column))
    else:
        node = _mapping(loader, event, reading, depth, Node({}, line, column))
    if anchor:
        reading.open_anchors.discard(anchor)
        reading.anchors[anchor] = node
    return node


def _alias(anchor: Any, reading: _Reading, line: int, column: int) -> Node:
    node = reading.anchors.get(anchor)
    if anchor in reading.open_anchors:
        raise YamlRefused(f"alias '{anchor}' contains itself", line, column)
    if node is None:
        raise YamlRefused(f"found undefined alias '{anchor}'", line, column)
    reading.expanded += node.size
    if reading.expanded > max(_FREE_EXPANSION, MAX_EXPANSION * reading.nodes):
        raise YamlRefused(f"aliases expand the document more than {MAX_EXPANSION} times", line, column)
    return Node(node.value, line, column, node.size, node.keys, node.children)


def _sequence(loader: Any, event: Any, reading: _Reading, depth: int, node: Node) -> Node:
    _check_tag(event, "seq", node)
    while not isinstance(item := loader.get_event(), events.SequenceEndEvent):
        child = _node(loader, item, reading, depth + 1)
        node.children[len(node.value)] = child
        node.value.append(child.value)
        node.size += child.size
    return node


def _mapping(loader: Any, event: Any, reading: _Reading, depth: int, node: Node) -> Node:
    _check_tag(event, "map", node)
    merged: list[Node] = []
    while not isinstance(item := loader.get_event(), events.MappingEndEvent):
        line, column = item.start_mark.line + 1, item.start_mark.column + 1
        if not isinstance(item, events.ScalarEvent):
            raise YamlRefused("a key must be a plain text", line, column)
        key = item.value
        reading.nodes += 1
        if item.anchor:
            reading.anchors[item.anchor] = Node(_scalar(item, line, column), line, column)
        child = _node(loader, loader.get_event(), reading, depth + 1)
        node.size += child.size + 1
        if key == "<<" and item.implicit[0]:
            merged.append(child)
            continue
        if key in node.value:
            raise YamlRefused(f"Duplicate field '{key[:100]}'", line, column)
        node.keys[key] = (line, column)
        node.children[key] = child
        node.value[key] = child.value
    for child in merged:
        _merge(node, child)
    return node


def _merge(node: Node, child: Node) -> None:
    """The `<<` key: own keys win, then the earlier of a list."""
    parts = child.children.values() if isinstance(child.value, list) else (child,)
    for part in parts:
        if not isinstance(part.value, dict):
            raise YamlRefused("a merge key (<<) needs a map or a list of maps", child.line, child.column)
        for key, value in part.value.items():
            if key not in node.value:
                node.keys[key] = part.keys[key]
                node.children[key] = part.children[key]
                node.value[key] = value


def _check_tag(event: Any, kind: str, node: Node) -> None:
    if event.tag not in (None, "!", _TAG + kind):
        raise YamlRefused(f"tag '{event.tag}' is not allowed", node.line, node.column)


def _scalar(event: Any, line: int, column: int) -> Any:
    text, tag = event.value, event.tag
    if tag is None or tag == "!":
        return text if tag == "!" or not event.implicit[0] else _plain(text, line, column)
    if tag == _TAG + "str":
        return text
    value = _plain(text, line, column)
    allowed = {
        "int": isinstance(value, int) and not isinstance(value, bool),
        "float": isinstance(value, int | float) and not isinstance(value, bool),
        "bool": isinstance(value, bool),
        "null": value is None,
    }.get(tag.removeprefix(_TAG))
    if allowed is None:
        raise YamlRefused(f"tag '{tag}' is not allowed", line, column)
    if not allowed:
        raise YamlRefused(f"'{text[:100]}' does not fit its tag '{tag}'", line, column)
    return float(value) if tag.endswith("float") else value


def _plain(text: str, line: int, column: int) -> Any:
    """A plain scalar by the core schema."""
    if text in _NULLS:
        return None
    if text in _BOOLEANS:
        return _BOOLEANS[text]
    first = text[0]
    if not (first.isdigit() or first in "+-."):
        return text
    if _INTEGER.fullmatch(text) or _OCTAL.fullmatch(text) or _HEXADECIMAL.fullmatch(text):
        if len(text) > _MAX_DIGITS:
            raise YamlRefused("the number has too many digits", line, column)
        return int(text, 8 if text.startswith("0o") else 16 if text.startswith("0x") else 10)
    if _FLOAT.fullmatch(text):
        return float(text)
    if _INFINITE.fullmatch(text):
        return float(text.replace(".", "").lower())
    return text
