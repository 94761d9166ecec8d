"""Syntax tree to nested Python closures. What filters and functions do is in their own modules."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import TypeVar

from flows.expressions import nodes
from flows.expressions.calls import Evaluate, compile_filter, compile_function, compile_test
from flows.expressions.errors import ExpressionError, Missing, located, missing_error
from flows.expressions.frame import Frame, keep_raw
from flows.expressions.operators import BINARY, UNARY, concat
from flows.expressions.output import finish, text_of
from flows.expressions.parser import parse
from flows.expressions.statements import Write, compile_statement
from flows.expressions.values import UNDEFINED, attribute, is_number, is_true

T = TypeVar("T")
Program = Callable[[Frame], str]
LONGEST_CACHED = 20_000


class Compiler:
    """Compiles the tree of one template."""

    def __init__(self, source: str) -> None:
        self.source = source

    # Bodies

    def body(self, body: nodes.Body) -> Write:
        """Writes the text of the statements to a list."""
        writes = [self.statement(statement) for statement in body.statements]
        if len(writes) == 1:
            return writes[0]

        def write(frame: Frame, out: list[str]) -> None:
            for each in writes:
                each(frame, out)

        return write

    def statement(self, node: nodes.Node) -> Write:
        if isinstance(node, nodes.Text):
            return self.text(node)
        if isinstance(node, nodes.Print):
            evaluate = self.expression(node.expression)
            return lambda frame, out: out.append(text_of(evaluate(frame)))
        return compile_statement(self, node)

    def text(self, node: nodes.Text) -> Write:
        text = node.text
        if not node.raw:
            return lambda frame, out: out.append(text)

        def write_raw(frame: Frame, out: list[str]) -> None:
            out.append(text if frame.raws is None else keep_raw(frame.raws, text))

        return write_raw

    def captured(self, body: nodes.Body) -> Callable[[Frame], str]:
        """The text of a body as a value."""
        write = self.body(body)

        def capture(frame: Frame) -> str:
            out: list[str] = []
            write(frame, out)
            text = finish(frame, out)
            frame.budget.grow(len(text))
            return text

        return capture

    # Expressions

    def expression(self, node: nodes.Node) -> Evaluate:
        return _COMPILERS[type(node)](self, node)

    def literal(self, node: nodes.Literal) -> Evaluate:
        value = node.value
        return lambda frame: value

    def path(self, node: nodes.Node) -> Evaluate:
        """A name and its attributes; missing ones raise Missing."""
        steps = _constant_path(node)
        if steps is None:
            return self.computed_attribute(node)  # type: ignore[arg-type]
        name, keys, positions = steps
        start = positions[0]

        def single(frame: Frame) -> object:
            value = frame.lookup(name)
            if value is UNDEFINED:
                raise Missing(name, start)
            return opened(frame, value)

        def path(frame: Frame) -> object:
            value = frame.lookup(name)
            if value is UNDEFINED:
                raise Missing(name, start)
            for key in keys:
                following = value.get(key, UNDEFINED) if type(value) is dict else UNDEFINED
                if following is UNDEFINED:
                    following = attribute(value, key)
                    if following is UNDEFINED:
                        raise Missing(str(key), positions[keys.index(key) + 1])
                value = following
            return opened(frame, value)

        return path if keys else single

    def computed_attribute(self, node: nodes.Attribute) -> Evaluate:
        target, key, position = self.expression(node.target), self.expression(node.key), node.position

        def get(frame: Frame) -> object:
            holder, name = target(frame), key(frame)
            value = attribute(holder, name)
            if value is UNDEFINED:
                raise Missing(text_of(name)[:100] if not isinstance(name, (dict, list)) else "key", position)
            return opened(frame, value)

        return get

    def soft(self, node: nodes.Node) -> Evaluate:
        """The value, or UNDEFINED where the plain form would raise Missing."""
        evaluate = self.expression(node)

        def ask(frame: Frame) -> object:
            try:
                return evaluate(frame)
            except Missing:
                return UNDEFINED

        return ask

    def unary(self, node: nodes.Unary) -> Evaluate:
        operand, apply = self.expression(node.operand), UNARY[node.operator]
        if node.operator == "-" and isinstance(node.operand, nodes.Literal) and is_number(node.operand.value):
            negative = -node.operand.value  # type: ignore[operator]
            return lambda frame: negative

        def evaluate(frame: Frame) -> object:
            try:
                return apply(frame, operand(frame))
            except ExpressionError as error:
                raise located(error, self.source, node.position) from None

        return evaluate

    def binary(self, node: nodes.Binary) -> Evaluate:
        if node.operator in ("and", "or"):
            return self.logical(node)
        if node.operator in ("??", "???"):
            return self.coalesce(node)
        left, right, apply = self.expression(node.left), self.expression(node.right), BINARY[node.operator]

        def evaluate(frame: Frame) -> object:
            try:
                return apply(frame, left(frame), right(frame))
            except ExpressionError as error:
                raise located(error, self.source, node.position) from None

        return evaluate

    def logical(self, node: nodes.Binary) -> Evaluate:
        left, right = self.expression(node.left), self.expression(node.right)
        if node.operator == "and":
            return lambda frame: is_true(left(frame)) and is_true(right(frame))
        return lambda frame: is_true(left(frame)) or is_true(right(frame))

    def coalesce(self, node: nodes.Binary) -> Evaluate:
        left, right = self.soft(node.left), self.expression(node.right)
        null_too = node.operator == "??"

        def evaluate(frame: Frame) -> object:
            value = left(frame)
            if value is UNDEFINED or (null_too and value is None):
                return right(frame)
            return value

        return evaluate

    def concat(self, node: nodes.Concat) -> Evaluate:
        parts = [self.expression(part) for part in node.parts]

        def evaluate(frame: Frame) -> object:
            try:
                return concat(frame, [part(frame) for part in parts])
            except ExpressionError as error:
                raise located(error, self.source, node.position) from None

        return evaluate

    def ternary(self, node: nodes.Ternary) -> Evaluate:
        condition = self.expression(node.condition)
        then, otherwise = self.expression(node.then), self.expression(node.otherwise)
        return lambda frame: then(frame) if is_true(condition(frame)) else otherwise(frame)

    def list_literal(self, node: nodes.ListLiteral) -> Evaluate:
        items = [self.expression(item) for item in node.items]

        def evaluate(frame: Frame) -> object:
            frame.budget.check_items(len(items))
            made = [item(frame) for item in items]
            frame.budget.check_value(made)
            return made

        return evaluate

    def map_literal(self, node: nodes.MapLiteral) -> Evaluate:
        pairs = [(self.expression(key), self.expression(value)) for key, value in node.items]

        def evaluate(frame: Frame) -> object:
            frame.budget.check_items(len(pairs))
            made: dict[object, object] = {}
            for key, value in pairs:
                name = key(frame)
                if isinstance(name, (dict, list)):
                    raise located(ExpressionError("A map or a list cannot be a key"), self.source, node.position)
                made[name] = value(frame)
            frame.budget.check_value(made)
            return made

        return evaluate

    def filter_call(self, node: nodes.FilterCall) -> Evaluate:
        target = self.soft(node.target) if node.name == "default" else self.expression(node.target)
        return compile_filter(self, target, node.name, node.arguments, node.position)

    def test_call(self, node: nodes.TestCall) -> Evaluate:
        return compile_test(self, node)

    def function_call(self, node: nodes.FunctionCall) -> Evaluate:
        return compile_function(self, node)


_COMPILERS: dict[type[nodes.Node], Callable[..., Evaluate]] = {
    nodes.Literal: Compiler.literal,
    nodes.Name: Compiler.path,
    nodes.Attribute: Compiler.path,
    nodes.Unary: Compiler.unary,
    nodes.Binary: Compiler.binary,
    nodes.Concat: Compiler.concat,
    nodes.Ternary: Compiler.ternary,
    nodes.ListLiteral: Compiler.list_literal,
    nodes.MapLiteral: Compiler.map_literal,
    nodes.FilterCall: Compiler.filter_call,
    nodes.TestCall: Compiler.test_call,
    nodes.FunctionCall: Compiler.function_call,
}


def opened(frame: Frame, value: object) -> object:
    """Sealed secrets in the clear (and marked as secret) where a template touches them."""
    if type(value) is dict or type(value) is list:
        reveal = getattr(frame.services, "reveal", None)
        if reveal is not None:
            return reveal(value)
    return value


def _constant_path(node: nodes.Node) -> tuple[str, list[object], list[int]] | None:
    keys: list[object] = []
    positions: list[int] = []
    while isinstance(node, nodes.Attribute) and isinstance(node.key, nodes.Literal):
        keys.append(node.key.value)
        positions.append(node.key.position)
        node = node.target
    if not isinstance(node, nodes.Name):
        return None
    return node.name, keys[::-1], [node.position, *positions[::-1]]


class Compiled:
    """A template ready to run; `single` is its only expression, when it is nothing else."""

    __slots__ = ("render", "single")

    def __init__(self, render: Program, single: Evaluate | None) -> None:
        self.render = render
        self.single = single


def compile_template(source: str) -> Compiled:
    """Cached; raises ExpressionError with line and column."""
    return _cached(source) if len(source) <= LONGEST_CACHED else _compile(source)


def load(source: str) -> Program:
    return compile_template(source).render


def _compile(source: str) -> Compiled:
    source = str(source)
    try:
        body = parse(source)
        compiler = Compiler(source)
        single = None
        if len(body.statements) == 1 and isinstance(body.statements[0], nodes.Print):
            single = _guarded(source, compiler.expression(body.statements[0].expression))
        return Compiled(_program(source, compiler, body), single)
    except RecursionError:
        raise ExpressionError("The expression is nested too deeply") from None


_cached = lru_cache(maxsize=4096)(_compile)


def _program(source: str, compiler: Compiler, body: nodes.Body) -> Program:
    if all(isinstance(node, nodes.Print) or _is_plain(node) for node in body.statements):
        return _guarded(source, _flat(compiler, body))
    write = compiler.body(body)

    def run(frame: Frame) -> str:
        out: list[str] = []
        write(frame, out)
        return finish(frame, out)

    return _guarded(source, run)


def _is_plain(node: nodes.Node) -> bool:
    return isinstance(node, nodes.Text) and not node.raw


def _flat(compiler: Compiler, body: nodes.Body) -> Program:
    """Texts and expressions only: the common case, without statements in between."""
    pieces = [
        node.text if isinstance(node, nodes.Text) else compiler.expression(node.expression)  # type: ignore[attr-defined]
        for node in body.statements
    ]

    def run(frame: Frame) -> str:
        out: list[str] = []
        for piece in pieces:
            if piece.__class__ is str:
                out.append(piece)
            else:
                value = piece(frame)  # type: ignore[operator]
                out.append(value if value.__class__ is str else text_of(value))
        return finish(frame, out)

    return run


def _guarded(source: str, run: Callable[[Frame], T]) -> Callable[[Frame], T]:
    def guarded(frame: Frame) -> T:
        try:
            return run(frame)
        except Missing as missing:
            raise missing_error(missing, source) from None

    return guarded
