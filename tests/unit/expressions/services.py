"""Services for expression tests: a fixed clock, a seeded random source, and answers given by the test."""

import os
import random
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

import pytest

from flows.expressions import crypto
from flows.expressions.render import DictScope, ExpressionError, Limits, render

NOW = datetime(2024, 3, 15, 10, 30, 5, 123456, tzinfo=UTC)


class Answers:
    """What the worker would ask its surroundings for, answered by functions of the test."""

    def __init__(self, answers: Mapping[str, Callable[..., object]] | None = None, zone: str = "UTC") -> None:
        self.answers = dict(answers or {})
        self.zone = zone
        self.asked: list[tuple[str, dict[str, object]]] = []
        self.limits = Limits()
        self.source = random.Random(7)
        self.moment = NOW

    def now(self) -> datetime:
        return self.moment

    def timezone(self) -> str:
        return self.zone

    def random(self) -> random.Random:
        return self.source

    def call(self, name: str, arguments: dict[str, object]) -> object:
        self.asked.append((name, arguments))
        if name == "encrypt":
            return crypto.encrypt(str(arguments["key"]), str(arguments["plaintext"]), os.urandom(12))
        if name not in self.answers:
            raise ExpressionError(f"no answer for {name}")
        return self.answers[name](**arguments)


def rendered(template: str, variables: Mapping[str, Any] | None = None, **answers: Callable[..., object]) -> str:
    return render(template, DictScope(variables or {}), Answers(answers))


def refusal(template: str, variables: dict[str, Any]) -> str:
    """The first line of the error that it must give."""
    with pytest.raises(ExpressionError) as refused:
        rendered(template, variables)
    return str(refused.value).splitlines()[0]
