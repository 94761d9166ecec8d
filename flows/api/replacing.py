"""Text in the sources of many flows found and replaced, with a look at it before (Kestra 2.0: source search)."""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from rest_framework.request import Request
from rest_framework.response import Response

from flows import catalog
from flows.access import Role
from flows.api import bodies, reading
from flows.api.base import FlowView
from flows.api.errors import Unprocessable
from flows.definition.errors import InvalidFlow
from flows.expressions import patterns
from flows.expressions.budget import Budget, Limits
from flows.expressions.errors import ExpressionError
from flows.models import FlowRecord

MOST_FLOWS = 1_000
_MOST_SHOWN = 500  # lines of one flow
_LIMITS = Limits(seconds=10.0, steps=10_000_000, memory=200_000_000)  # of one request
_SCOPES = {"ALL": None, "TASKS": "tasks", "TRIGGERS": "triggers", "INPUTS": "inputs"}
_TOP_LEVEL = re.compile(r"([A-Za-z_][\w-]*)\s*:")

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Replacement:
    """What is asked for, as a pattern and a replacement in Java's spelling."""

    pattern: str
    text: str
    section: str | None  # a top-level property of flows; None: anywhere
    budget: Budget

    def changes(self, source: str) -> Iterator[tuple[int, str, str]]:
        """Lines that match, from 0: before and after. Raises Unprocessable."""
        within = None
        for number, line in enumerate(source.split("\n")):
            top = _TOP_LEVEL.match(line)
            within = top[1] if top else within
            if self.section is None or within == self.section:
                after = self.replaced(line)
                if after is not None:
                    yield number, line, after

    def replaced(self, line: str, at: int | None = None) -> str | None:
        """Every match of a line, or the one that begins there; None where there is none."""
        try:
            found = patterns.all_matches(self.budget, self.pattern, line)
            if not [match for match in found if at is None or match.start() == at]:
                return None
            return patterns.replace_all(self.budget, self.pattern, line, self.text, at=at)
        except ExpressionError as error:
            raise Unprocessable(f"Illegal argument: {error.message}") from None

    def applied(self, source: str) -> str | None:
        lines = source.split("\n")
        changes = list(self.changes(source))
        for number, _, after in changes:
            lines[number] = after
        return "\n".join(lines) if changes else None


def asked(request: Request) -> tuple[Replacement, Json]:
    """And the whole body. Raises Unprocessable."""
    body: Any = request.data
    if not isinstance(body, dict):
        raise Unprocessable("Invalid entity: the body must be {query, replacement, …}")
    query, text = body.get("query"), body.get("replacement")
    if not isinstance(query, str) or not query.strip():
        raise Unprocessable("Invalid entity: query: must be a text that is not blank")
    if not isinstance(text, str):
        raise Unprocessable("Invalid entity: replacement: must be a text")
    scope = body.get("scope") or "ALL"
    if scope not in _SCOPES:
        raise Unprocessable(f"Invalid entity: scope: must be one of {', '.join(_SCOPES)}")
    is_regex = _switch(body, "regex")
    pattern = query if is_regex else re.escape(query)
    if _switch(body, "wholeWord"):
        pattern = rf"\b(?:{pattern})\b"
    if not _switch(body, "caseSensitive"):
        pattern = f"(?i){pattern}"
    plain = text if is_regex else text.replace("\\", "\\\\").replace("$", "\\$")
    wanted = Replacement(pattern, plain, _SCOPES[scope], Budget(_LIMITS))
    wanted.replaced("")  # a pattern that cannot be used is refused whatever there is to search
    return wanted, body


def _switch(body: Mapping[str, Any], name: str) -> bool:
    value = body.get(name)
    if value is not None and not isinstance(value, bool):
        raise Unprocessable(f"Invalid entity: {name}: must be true or false")
    return bool(value)


class PreviewView(FlowView):
    """POST /flows/source/replace/preview: what would change, line by line."""

    roles = {"POST": Role.VIEWER}

    def post(self, request: Request, **_: Any) -> Response:
        wanted, body = asked(request)
        rows = reading.visible(request).order_by("namespace", "flow_id")
        if body.get("namespace"):
            rows = rows.filter(namespace=str(body["namespace"]))
        found: list[Json] = []
        for row in rows.iterator(200):
            matches = [
                _shown(change) for change, _ in zip(wanted.changes(row.source), range(_MOST_SHOWN), strict=False)
            ]
            if matches:
                editable = reading.access_of(request).allows(Role.AUTHOR, row.namespace)
                found.append({"namespace": row.namespace, "id": row.flow_id, "editable": editable, "matches": matches})
            if len(found) == MOST_FLOWS:
                break
        return Response(
            {
                "totalMatches": sum(len(flow["matches"]) for flow in found),
                "totalFlows": len(found),
                "editableFlowCount": sum(flow["editable"] for flow in found),
                "flows": found,
            }
        )


def _shown(change: tuple[int, str, str]) -> Json:
    number, before, after = change
    return {"line": number + 1, "before": before, "after": after}


class ApplyView(FlowView):
    """POST /flows/source/replace/apply: the flows that were named, each for itself; those left alone with the reason."""

    def post(self, request: Request, **_: Any) -> Response:
        wanted, body = asked(request)
        pairs = bodies.pairs_of(body.get("flows"))
        if not 1 <= len(pairs) <= MOST_FLOWS:
            raise Unprocessable(f"Invalid entity: flows: must name between 1 and {MOST_FLOWS} flows")
        return _answer([_changed(request, *pair, wanted.applied) for pair in pairs])


class LineView(FlowView):
    """POST /flows/source/replace/line: one line of one flow; with `column` only the match that begins there."""

    def post(self, request: Request, **_: Any) -> Response:
        wanted, body = asked(request)
        [(namespace, flow_id)] = bodies.pairs_of([body])
        line = _number(body, "line", 1)
        column = None if body.get("column") is None else _number(body, "column", 0)

        def change(source: str) -> str | None:
            lines = source.split("\n")
            after = wanted.replaced(lines[line - 1], column) if line <= len(lines) else None
            return None if after is None else "\n".join([*lines[: line - 1], after, *lines[line:]])

        return _answer([_changed(request, namespace, flow_id, change)])


def _number(body: Json, name: str, least: int) -> int:
    value = body.get(name)
    if not isinstance(value, int) or isinstance(value, bool) or value < least:
        raise Unprocessable(f"Invalid entity: {name}: must be a number from {least}")
    return value


def _changed(request: Request, namespace: str, flow_id: str, change: Callable[[str], str | None]) -> FlowRecord | Json:
    """The new revision, or why there is none."""
    row = reading.visible(request).filter(namespace=namespace, flow_id=flow_id).first()
    reason, message = "", None
    if row is None:
        reason = "NOT_FOUND"
    elif not reading.access_of(request).allows(Role.AUTHOR, namespace):
        reason = "READ_ONLY"
    elif (source := change(row.source)) is None:
        reason = "NO_MATCH"
    elif source == row.source:
        reason = "NO_CHANGE"
    else:
        try:
            return catalog.revise(namespace, flow_id, source)
        except InvalidFlow as error:
            reason, message = "INVALID_FLOW", str(error)
        except catalog.FlowNotFound:
            reason = "NOT_FOUND"
    skipped = {"namespace": namespace, "id": flow_id, "reason": reason}
    return skipped if message is None else {**skipped, "message": message}


def _answer(found: list[FlowRecord | Json]) -> Response:
    return Response(
        {
            "updated": [reading.as_json(one, source=True) for one in found if isinstance(one, FlowRecord)],
            "skipped": [one for one in found if not isinstance(one, FlowRecord)],
        }
    )
