"""POST /flows/validate and its kin: always 200, what is wrong is in the answer."""

from collections.abc import Callable
from typing import Any

from rest_framework.request import Request
from rest_framework.response import Response

from flows import catalog
from flows.access import Role
from flows.api import bodies
from flows.api.base import FlowView, violation_json
from flows.catalog import FlowNotFound
from flows.definition.advice import deprecation_paths, replacements
from flows.definition.errors import InvalidFlow, Violation
from flows.definition.expression_advice import advice_text, expression_advice
from flows.definition.parse import parse_task, parse_trigger
from flows.definition.yaml_guard import YamlRefused, read_document


class ValidateView(FlowView):
    """One answer per YAML document. Nothing is stored, so a viewer may."""

    roles = {"POST": Role.VIEWER}

    def post(self, request: Request, **_: Any) -> Response:
        sources = _sources(request)
        return Response([validated(source, index) for index, source in enumerate(sources)])


def _sources(request: Request) -> list[str]:
    if isinstance(request.data, dict) and request.data:
        return [bodies.source_of(request)]
    return bodies.sources_of(request) or [""]


def validated(source: str, index: int = 0) -> dict[str, Any]:
    document = _document(source)
    answer: dict[str, Any] = {"index": index, "outdated": _is_outdated(document), **_advice(document, source)}
    for key, name in (("flow", "id"), ("namespace", "namespace")):
        if isinstance(document.get(name), str):
            answer[key] = document[name]
    try:
        catalog.check(source)
    except InvalidFlow as error:
        answer["constraints"] = str(error)
        answer["violations"] = [violation_json(one) for one in error.errors]
    return answer


def _advice(document: dict[str, Any], source: str) -> dict[str, Any]:
    """What a flow may have and still be stored; `advice` are the warnings with their places, for editors."""
    found = advice_on(source)
    return {
        "deprecationPaths": deprecation_paths(document),
        "warnings": [advice_text(one) for one in found],
        "infos": replacements(document),
        **({"advice": [violation_json(one) for one in found]} if found else {}),
    }


def advice_on(source: str) -> list[Violation]:
    try:
        return expression_advice(read_document(source, catalog.max_bytes()), source)
    except YamlRefused:
        return []


def _document(source: str) -> dict[str, Any]:
    try:
        document = read_document(source, catalog.max_bytes()).value
    except YamlRefused:
        return {}
    return document if isinstance(document, dict) else {}


def _is_outdated(document: dict[str, Any]) -> bool:
    """The text says a revision, and it is not the one that would be stored next."""
    revision, namespace, flow_id = (document.get(name) for name in ("revision", "namespace", "id"))
    if not isinstance(revision, int) or not isinstance(namespace, str) or not isinstance(flow_id, str):
        return False
    try:
        latest = catalog.record(namespace, flow_id, allow_deleted=True).revision
    except FlowNotFound:
        latest = 0
    return revision != latest + 1


class ValidatePartView(FlowView):
    """One task or trigger by itself: an object of YAML, and where a `section` is named (1.x); of JSON a list of one."""

    roles = {"POST": Role.VIEWER}
    what = "task"

    def post(self, request: Request, **_: Any) -> Response:
        source = bodies.source_of(request)
        section = (request.query_params.get("section") or "").upper()
        parse: Callable[[str], Any] = parse_task
        if self.what == "trigger" or section == "TRIGGERS":
            parse = parse_trigger
        document = _document(source)
        answer: dict[str, Any] = {"index": 0, "outdated": False, **_advice(document, source)}
        try:
            parse(source)
        except InvalidFlow as error:
            answer["constraints"] = str(error)
            answer["violations"] = [violation_json(one) for one in error.errors]
        return Response(answer if isinstance(request.data, str) or section else [answer])
