"""Rules of how long ended executions, their logs, metrics and files are kept. Pure; without a rule: for ever.

A rule names a namespace (with those below it), a flow, states; the first rule that matches an execution decides.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import isodate

from flows.definition.states import TERMINAL

Json = Any
ENDED = [str(state) for state in TERMINAL]
# What a rule may limit, in the order in which it goes: an execution takes everything of its own with it.
PARTS = ("executions", "logs", "metrics", "files")


class InvalidRetention(ValueError):
    """CELESTA_RETENTION says something that cannot be followed."""


@dataclass(frozen=True, slots=True)
class Rule:
    """Ages after the end; None: kept for ever."""

    namespace: str = ""
    flow_id: str = ""
    states: tuple[str, ...] = ()
    executions: timedelta | None = None
    logs: timedelta | None = None
    metrics: timedelta | None = None
    files: timedelta | None = None

    def condition(self) -> tuple[str, list[Json]]:
        """SQL over `e`, with its parameters."""
        parts = ["true"]
        parameters: list[Json] = []
        if self.namespace:
            parts.append("(e.namespace = %s OR starts_with(e.namespace, %s))")
            parameters += [self.namespace, self.namespace + "."]
        if self.flow_id:
            parts.append("e.flow_id = %s")
            parameters.append(self.flow_id)
        if self.states:
            parts.append("e.state = ANY(%s)")
            parameters.append(list(self.states))
        return "(" + " AND ".join(parts) + ")", parameters


def read(document: Json) -> tuple[Rule, ...]:
    """From the JSON of CELESTA_RETENTION, a list of rules. Raises InvalidRetention naming the place."""
    if not isinstance(document, list):
        raise InvalidRetention("must be a JSON list of rules")
    return tuple(_rule(item, f"rule {number}") for number, item in enumerate(document, start=1))


def _rule(item: Json, where: str) -> Rule:
    if not isinstance(item, Mapping):
        raise InvalidRetention(f"{where} must be a JSON object")
    unknown = set(item) - {"namespace", "flowId", "states", *PARTS}
    if unknown:
        raise InvalidRetention(f"{where}: unknown property {sorted(unknown)[0]!r}")
    states = tuple(str(state).upper() for state in item.get("states") or ())
    for state in states:
        if state not in ENDED:
            raise InvalidRetention(f"{where}: {state} is not a state in which executions end ({', '.join(ENDED)})")
    ages = {part: _age(item[part], f"{where}: {part}") for part in PARTS if item.get(part) is not None}
    if not ages:
        raise InvalidRetention(f"{where} must limit one of {', '.join(PARTS)}")
    return Rule(str(item.get("namespace") or ""), str(item.get("flowId") or ""), states, **ages)


def _age(text: Json, where: str) -> timedelta:
    try:
        age = isodate.parse_duration(str(text))
    except (isodate.ISO8601Error, ValueError):
        age = None
    if not isinstance(age, timedelta) or age < timedelta(0):
        raise InvalidRetention(f"{where} must be an ISO 8601 duration of fixed length such as P30D, not {text!r}")
    return age
