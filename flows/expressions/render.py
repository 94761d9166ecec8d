"""The way in: templates to texts or values. The rest of the house imports from here and from `taint`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeVar

from flows.expressions import taint
from flows.expressions.budget import DEFAULT_LIMITS, Budget, Limits
from flows.expressions.compile import Compiled, compile_template, load
from flows.expressions.errors import BudgetExceeded, Call, ExpressionError, NeedsResolve
from flows.expressions.frame import DictScope, Frame, Random, Scope, Services
from flows.expressions.java_text import java_string
from flows.expressions.output import is_truthy, settled
from flows.expressions.references import References, references
from flows.expressions.values import UNDEFINED, Float32, Instant, LazyMap, Undefined

__all__ = [
    "UNDEFINED",
    "BudgetExceeded",
    "Call",
    "DictScope",
    "ExpressionError",
    "Float32",
    "Instant",
    "LazyMap",
    "Limits",
    "NeedsResolve",
    "Random",
    "References",
    "Scope",
    "Services",
    "Undefined",
    "is_truthy",
    "references",
    "render",
    "render_typed",
    "render_value",
]

A = TypeVar("A")
R = TypeVar("R")


def has_expression(text: str) -> bool:
    return "{{" in text or "{%" in text or "{#" in text


def render(template: str, scope: Scope, services: Services, *, recursive: bool = False) -> str:
    """The text of a template; `recursive` renders the result again until nothing changes."""
    if "{" not in template or not has_expression(template):
        return template
    return _rendered(template, _frame(scope, services), recursive)


def render_typed(template: str, scope: Scope, services: Services) -> object:
    """The value of a template that is one expression and nothing else; the text of any other."""
    if "{" not in template or not has_expression(template):
        return template
    return _typed(template, _frame(scope, services))


def render_value(
    value: object, scope: Scope, services: Services, typed: bool = False, *, recursive: bool = False
) -> object:
    """Every template in a value, keys of maps too; one budget for all of them."""
    budget = _frame(scope, services).budget

    def one(template: str) -> object:
        if not has_expression(template):
            return template
        frame = Frame(scope, services, budget, load)
        return _typed(template, frame) if typed else _rendered(template, frame, recursive)

    return _deep(value, one, 0)


def _frame(scope: Scope, services: Services) -> Frame:
    limits = getattr(services, "limits", None)
    if limits is not None and not isinstance(limits, Limits):
        limits = limits()
    return Frame(scope, services, Budget(limits or DEFAULT_LIMITS), load)


def _rendered(template: str, frame: Frame, recursive: bool) -> str:
    if recursive:
        rendered = _within_stack(frame.render_repeatedly, template)
    else:
        rendered = _within_stack(compile_template(template).render, frame)
    if isinstance(template, taint.Tainted):
        rendered = taint.SecretStr(rendered)
    return rendered


def _typed(template: str, frame: Frame) -> object:
    compiled: Compiled = compile_template(template)
    if compiled.single is None:
        return _rendered(template, frame, recursive=False)
    value = settled(_within_stack(compiled.single, frame))
    return taint.spread(value, java_string) if isinstance(template, taint.Tainted) else value


def _within_stack(run: Callable[[A], R], argument: A) -> R:
    try:
        return run(argument)
    except RecursionError:
        raise BudgetExceeded("The expression is nested too deeply") from None


def _deep(value: object, one: Callable[[str], object], depth: int) -> object:
    if isinstance(value, str):
        return one(value)
    if depth > DEFAULT_LIMITS.depth:
        raise BudgetExceeded("The value is nested too deeply")
    if isinstance(value, Mapping):
        return {_key(_deep(key, one, depth + 1)): _deep(value[key], one, depth + 1) for key in value}
    if isinstance(value, (list, tuple)):
        return [_deep(item, one, depth + 1) for item in value]
    return value


def _key(key: object) -> object:
    return java_string(key) if isinstance(key, (dict, list)) else key
