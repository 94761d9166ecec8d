"""What would become of given inputs: for forms that start or resume an execution. Nothing is stored."""

from collections.abc import Sequence
from typing import Any

from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from executions import actions, database, store
from executions.api import forms, reading
from executions.checks import failed_checks
from executions.inputs import answers
from executions.starting import refuse_disabled
from flows import catalog
from flows.access import Role
from flows.api.errors import Conflict, NotFound
from flows.api.reading import access_of
from flows.definition.inputs import Answer, nested
from flows.definition.json_form import input_json
from flows.definition.model import Flow


class ValidateCreateView(APIView):
    """POST /executions/{namespace}/{id}/validate"""

    roles = {"POST": Role.OPERATOR}

    def post(self, request: Request, namespace: str, flow_id: str, **_: Any) -> Response:
        flow = catalog.find(namespace, flow_id, forms.number(request.query_params, "revision"))
        refuse_disabled(flow)
        return _answered(request, flow, flow.inputs, flow.document.get("inputs") or (), with_checks=True)


class ValidateResumeView(APIView):
    """POST /executions/{id}/resume/validate: of the task that is paused."""

    roles = {"POST": Role.OPERATOR}

    def post(self, request: Request, execution_id: str, **_: Any) -> Response:
        reading.record_of(access_of(request), execution_id, Role.OPERATOR)
        execution = store.load(database.current(), execution_id)
        if execution is None:
            raise NotFound(f"execution {execution_id[:60]}")
        if not execution.state.is_paused:
            raise Conflict(f"Illegal state: Execution is not paused, can't resume it: it is {execution.state}")
        flow = catalog.find(execution.namespace, execution.flow_id, execution.flow_revision, allow_deleted=True)
        return _answered(request, flow, actions.resume_inputs_of(flow, execution), ())


def _answered(
    request: Request, flow: Flow, wanted: Sequence[Any], written: Sequence[Any], *, with_checks: bool = False
) -> Response:
    inputs, files = forms.inputs_of(request)
    documents = {str(one.get("id", one.get("name"))): one for one in written if isinstance(one, dict)}
    found = answers(flow, inputs, files, wanted)
    shown = [_shown(answer, documents) for answer in found]
    failed = _failed_checks(flow, found) if with_checks else []
    return Response({"id": flow.id, "namespace": flow.namespace, "inputs": shown, "checks": failed})


def _failed_checks(flow: Flow, found: Sequence[Answer]) -> list[dict[str, str]]:
    """As soon as all inputs are valid."""
    if any(answer.error is not None for answer in found):
        return []
    failed = failed_checks(flow, nested((answer.input.id, answer.value) for answer in found), "")
    return [{"message": one.message, "style": one.style, "behavior": one.behavior} for one in failed]


def _shown(answer: Answer, documents: dict[str, Any]) -> dict[str, Any]:
    shown = documents.get(answer.input.id, {"id": answer.input.id, "type": answer.input.type})
    return {
        "input": input_json(shown),
        "value": answer.value,
        "enabled": answer.enabled,
        "isDefault": not answer.given,
        "errors": [] if answer.error is None else [{"message": answer.error}],
    }
