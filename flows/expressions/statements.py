"""`if`, `for`, `set`, `macro`, `block` and `filter` tags as closures that write text."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from flows.expressions import nodes
from flows.expressions.calls import Evaluate, compile_filter
from flows.expressions.errors import ExpressionError, located
from flows.expressions.frame import Frame
from flows.expressions.output import text_of
from flows.expressions.taint import mask
from flows.expressions.values import UNDEFINED, is_true

if TYPE_CHECKING:
    from flows.expressions.compile import Compiler

Write = Callable[[Frame, list[str]], None]


def compile_statement(compiler: Compiler, node: nodes.Node) -> Write:
    return _COMPILERS[type(node)](compiler, node)


def _if(compiler: Compiler, node: nodes.If) -> Write:
    branches = [(compiler.expression(condition), compiler.body(body)) for condition, body in node.branches]
    otherwise = compiler.body(node.otherwise) if node.otherwise else None

    def write(frame: Frame, out: list[str]) -> None:
        for condition, body in branches:
            if is_true(condition(frame)):
                body(frame, out)
                return
        if otherwise is not None:
            otherwise(frame, out)

    return write


def _for(compiler: Compiler, node: nodes.For) -> Write:
    iterable, variable = compiler.expression(node.iterable), node.variable
    body = compiler.body(node.body)
    otherwise = compiler.body(node.otherwise) if node.otherwise else None
    cost = sum(1 for _ in nodes.walk(node.body))

    def write(frame: Frame, out: list[str]) -> None:
        try:
            items = _items(iterable(frame))
        except ExpressionError as error:
            raise located(error, compiler.source, node.position) from None
        if not items:
            if otherwise is not None:
                otherwise(frame, out)
            return
        kept = {name: frame.locals.get(name, UNDEFINED) for name in ("loop", variable)}
        last = len(items) - 1
        for index, item in enumerate(items):
            frame.budget.spend(cost)
            frame.locals["loop"] = {
                "index": index,
                "length": last + 1,
                "first": index == 0,
                "last": index == last,
                "revindex": last - index,
            }
            frame.locals[variable] = item
            body(frame, out)
        _put_back(frame, kept)

    return write


def _items(value: object) -> list[object]:
    """What `for` goes over: items of a list, entries (key, value) of a map; nothing for null."""
    if value is None:
        return []
    if isinstance(value, (list, tuple)):
        return list(value)
    if isinstance(value, Mapping):
        return [{"key": key, "value": value[key]} for key in value]
    raise ExpressionError(f"Not an iterable object. Value = [{text_of(mask(value))[:100]}]")


def _put_back(frame: Frame, kept: dict[str, object]) -> None:
    for name, value in kept.items():
        if value is UNDEFINED:
            frame.locals.pop(name, None)
        else:
            frame.locals[name] = value


def _set(compiler: Compiler, node: nodes.Set) -> Write:
    name, value = node.name, compiler.expression(node.value)

    def write(frame: Frame, out: list[str]) -> None:
        made = frame.locals[name] = value(frame)
        frame.budget.check_value(made)

    return write


def _macro(compiler: Compiler, node: nodes.Macro) -> Write:
    body = compiler.captured(node.body)
    defaults: list[tuple[str, Evaluate | None]] = [
        (name, compiler.expression(default) if default is not None else None) for name, default in node.parameters
    ]
    cost = sum(1 for _ in nodes.walk(node.body)) + 1

    def call(frame: Frame, values: list[object], named: dict[str, object]) -> str:
        frame.budget.enter()
        frame.budget.spend(cost)
        outer = frame.locals
        arguments = dict(zip((name for name, _ in defaults), values, strict=False)) | named
        for name, default in defaults:
            if name not in arguments:
                arguments[name] = default(frame) if default is not None else None
        frame.locals = arguments
        try:
            return body(frame)
        finally:
            frame.locals = outer
            frame.budget.leave()

    def write(frame: Frame, out: list[str]) -> None:
        frame.macros = {**(frame.macros or {}), node.name: call}

    return write


def _block(compiler: Compiler, node: nodes.Block) -> Write:
    body = compiler.captured(node.body)
    cost = sum(1 for _ in nodes.walk(node.body)) + 1

    def call(frame: Frame) -> str:
        frame.budget.enter()
        frame.budget.spend(cost)
        text = body(frame)
        frame.budget.leave()
        return text

    def write(frame: Frame, out: list[str]) -> None:
        frame.blocks = {**(frame.blocks or {}), node.name: call}
        out.append(call(frame))

    return write


def _filter(compiler: Compiler, node: nodes.FilterBlock) -> Write:
    evaluate: Evaluate = compiler.captured(node.body)
    for name, arguments, position in node.filters:
        evaluate = compile_filter(compiler, evaluate, name, arguments, position)
    return lambda frame, out: out.append(text_of(evaluate(frame)))


_COMPILERS: dict[type[nodes.Node], Callable[..., Write]] = {
    nodes.If: _if,
    nodes.For: _for,
    nodes.Set: _set,
    nodes.Macro: _macro,
    nodes.Block: _block,
    nodes.FilterBlock: _filter,
}
