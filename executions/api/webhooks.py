"""GET, POST and PUT /executions/webhook/{namespace}/{id}/{key}: open to whoever knows the key."""

from typing import Any

from django.http import HttpResponse
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from executions import webhooks
from executions.api import reading
from executions.api.executions import WAIT_SECONDS, page_url, wait_for_end
from executions.api.filters import parse_execution_id
from executions.api.serialize import execution_json
from executions.state import Execution
from flows.triggers.webhook import Webhook


class WebhookView(APIView):
    """The key is the proof; credentials are neither needed nor looked at."""

    authentication_classes: list[Any] = []
    permission_classes: list[Any] = []
    public = True

    def call(
        self, request: Request, namespace: str, flow_id: str, key: str, path: str = "", **_: Any
    ) -> Response | HttpResponse:
        call = webhooks.Call(
            body=request.body,
            headers={name: [value] for name, value in request.headers.items() if value != ""},
            parameters={name: list(values) for name, values in request.query_params.lists()},
            path=path,
        )
        answer = webhooks.receive(namespace, flow_id, key, call)
        if answer.execution is None:
            return Response(status=204)
        return _answered(answer.trigger, answer.execution)

    get = post = put = call


def _answered(trigger: Webhook, execution: Execution) -> Response | HttpResponse:
    url = page_url(execution.namespace, execution.flow_id, execution.id)
    shown = execution_json(execution, url=url)
    if trigger.wait:
        wait_for_end(execution.id, WAIT_SECONDS)
        shown = reading.one(parse_execution_id(execution.id), url=url) or shown
    status = _status(trigger)
    if not (trigger.wait and trigger.return_outputs):
        return Response(shown, status=status)
    outputs = shown.get("outputs") or {}
    if trigger.response_content_type and "json" not in trigger.response_content_type:
        # The one output of a flow that answers with a text of its own, or all of them line by line.
        text = "\n".join(str(value) for value in outputs.values())
        return HttpResponse(text, status=status, content_type=trigger.response_content_type)
    return Response(outputs, status=status)


def _status(trigger: Webhook) -> int:
    try:
        status = int(trigger.response_code or 200)
    except ValueError:
        return 200
    return status if 200 <= status < 600 else 200
