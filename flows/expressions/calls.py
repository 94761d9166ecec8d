"""Filters, functions and tests in a template: arguments bound once, errors placed, secrets followed."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from flows.expressions import nodes
from flows.expressions.errors import ExpressionError, located, syntax_error
from flows.expressions.filters.table import FILTERS
from flows.expressions.frame import Frame
from flows.expressions.functions import FUNCTIONS
from flows.expressions.java_text import java_string
from flows.expressions.operations import Operation
from flows.expressions.services import SERVICE_FUNCTIONS, ask
from flows.expressions.taint import Tainted, is_tainted, spread
from flows.expressions.tests import TESTS
from flows.expressions.values import UNDEFINED

if TYPE_CHECKING:
    from flows.expressions.compile import Compiler

Evaluate = Callable[[Frame], object]
Arguments = tuple[list[Evaluate], list[tuple[str, Evaluate]]]
BROKEN = (TypeError, ValueError, ArithmeticError, LookupError, AttributeError, MemoryError)


def compile_filter(
    compiler: Compiler, target: Evaluate, name: str, arguments: nodes.Arguments, position: int
) -> Evaluate:
    operation = FILTERS.get(name)
    if operation is None:
        raise syntax_error(f"Filter [{name}] does not exist.", compiler.source, position)
    bound = _bind(compiler, operation, arguments, f"'{name}' filter", position)
    apply = _applied(compiler, operation, bound, f"'{name}' filter", position)

    def evaluate(frame: Frame) -> object:
        value = target(frame)
        if value is UNDEFINED or (value is None and not operation.takes_null):
            value = None
            if not operation.takes_null:
                return None
        return apply(frame, (value,))

    return evaluate


def compile_test(compiler: Compiler, node: nodes.TestCall) -> Evaluate:
    operation = TESTS.get(node.name)
    if operation is None:
        raise syntax_error(f"Test [{node.name}] does not exist.", compiler.source, node.position)
    target = compiler.soft(node.target) if node.name == "defined" else compiler.expression(node.target)
    what = f"'{node.name}' test"
    bound = _bind(compiler, operation, node.arguments, what, node.position)
    apply = _applied(compiler, operation, bound, what, node.position)
    negated = node.negated

    def evaluate(frame: Frame) -> object:
        value = target(frame)
        return bool(apply(frame, (None if value is UNDEFINED else value,))) is not negated

    return evaluate


def compile_function(compiler: Compiler, node: nodes.FunctionCall) -> Evaluate:
    what = f"'{node.name}' function"
    operation = FUNCTIONS.get(node.name)
    if operation is not None:
        bound = _bind(compiler, operation, node.arguments, what, node.position)
        apply = _applied(compiler, operation, bound, what, node.position)
        return lambda frame: apply(frame, ())
    service = SERVICE_FUNCTIONS.get(node.name)
    if service is not None:
        return _compile_service(compiler, node, what)
    return _compile_macro(compiler, node)


def _bind(compiler: Compiler, operation: Operation, arguments: nodes.Arguments, what: str, position: int) -> Arguments:
    """Positional evaluators in order, and the named ones by parameter."""
    positional = [compiler.expression(each) for each in arguments.positional]
    if len(positional) > len(operation.names) and not operation.variadic:
        raise syntax_error(f"The {what} takes at most {len(operation.names)} arguments", compiler.source, position)
    named: list[tuple[str, Evaluate]] = []
    for name, value in arguments.named.items():
        if name not in operation.names or operation.names.index(name) < len(positional):
            raise syntax_error(f"The {what} has no argument '{name}'", compiler.source, position)
        named.append((operation.parameters[operation.names.index(name)], compiler.expression(value)))
    return positional, named


def _missing_argument(operation: Operation, bound: Arguments, what: str) -> str | None:
    positional, named = bound
    given = {name for name, _ in named}
    for name, parameter in list(zip(operation.names, operation.parameters, strict=True))[: operation.required]:
        if operation.parameters.index(parameter) >= len(positional) and parameter not in given:
            return f"The {what} expects an argument '{name}'."
    return None


def _applied(
    compiler: Compiler, operation: Operation, bound: Arguments, what: str, position: int
) -> Callable[[Frame, tuple[object, ...]], object]:
    positional, named = bound
    function, derives, source = operation.function, operation.derives, compiler.source
    missing = _missing_argument(operation, bound, what)

    def apply(frame: Frame, subject: tuple[object, ...]) -> object:
        values = [each(frame) for each in positional]
        keywords = {name: each(frame) for name, each in named}
        try:
            frame.budget.spend()
            if missing is not None:
                raise ExpressionError(missing)
            result = function(frame, *subject, *values, **keywords)
            if type(result) is str:
                frame.budget.check_text(len(result))
        except ExpressionError as error:
            raise located(_without_secrets(error, what, subject, values), source, position) from None
        except BROKEN as error:
            reason = "" if is_tainted([*subject, *values]) else f": {_reason(error)}"
            raise located(ExpressionError(f"The {what} failed{reason}"), source, position) from None
        return _followed(result, subject, [*values, *keywords.values()]) if derives else result

    return apply


def _followed(result: object, subject: tuple[object, ...], values: list[object]) -> object:
    """The result, secret when what it was made from is. Items of maps and lists keep their own marks."""
    if result is None or result is True or result is False or isinstance(result, Tainted):
        return result
    for each in subject:
        if isinstance(each, Tainted) or (isinstance(result, str) and is_tainted(each)):
            return spread(result, java_string)
    if values and any(is_tainted(each) for each in values):
        return spread(result, java_string)
    return result


def _without_secrets(
    error: ExpressionError, what: str, subject: tuple[object, ...], values: list[object]
) -> ExpressionError:
    if error.line is None and is_tainted([*subject, *values]):
        return ExpressionError(f"The {what} failed on a secret value")
    return error


def _reason(error: Exception) -> str:
    """Python's own words are not for users: they may name its objects."""
    if isinstance(error, MemoryError):
        return "out of memory"
    if isinstance(error, ArithmeticError):
        return "the result is out of range"
    return "the value or an argument has the wrong type or form"


def _compile_service(compiler: Compiler, node: nodes.FunctionCall, what: str) -> Evaluate:
    """A function whose answer comes from outside: arguments by name, as they were given."""
    names = SERVICE_FUNCTIONS[node.name]
    if len(node.arguments.positional) > len(names):
        raise syntax_error(f"The {what} takes at most {len(names)} arguments", compiler.source, node.position)
    given = dict(zip(names, node.arguments.positional, strict=False))
    for name, value in node.arguments.named.items():
        if name not in names or name in given:
            raise syntax_error(f"The {what} has no argument '{name}'", compiler.source, node.position)
        given[name] = value
    arguments = {name: compiler.expression(value) for name, value in given.items()}

    def evaluate(frame: Frame) -> object:
        values = {name: each(frame) for name, each in arguments.items()}
        try:
            frame.budget.spend()
            result = ask(frame, node.name, values)
        except ExpressionError as error:
            raise located(error, compiler.source, node.position) from None
        return _followed(result, (), list(values.values()))

    return evaluate


def _compile_macro(compiler: Compiler, node: nodes.FunctionCall) -> Evaluate:
    positional = [compiler.expression(each) for each in node.arguments.positional]
    named = {name: compiler.expression(value) for name, value in node.arguments.named.items()}

    def evaluate(frame: Frame) -> object:
        macro = frame.macros.get(node.name) if frame.macros else None
        if macro is None:
            error = ExpressionError(f"Function or Macro [{node.name}] does not exist.")
            raise located(error, compiler.source, node.position)
        values = [each(frame) for each in positional]
        return macro(frame, values, {name: each(frame) for name, each in named.items()})

    return evaluate
