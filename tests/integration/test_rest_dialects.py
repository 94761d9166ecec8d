"""Every route, with and without the tenant: odd requests get the same refusal in both, in the form that clients read."""

from collections import Counter
from typing import Any

import pytest

from tests.integration.json_models import faults
from tests.integration.rest_support import FLOW, Rest
from tests.integration.test_rest_permissions import routes

VALUES = {
    "namespace": "tests.rest",
    "flow_id": "hello",
    "execution_id": "nothing",
    "task_id": "nothing",
    "trigger_id": "nothing",
    "task_run_id": "nothing",
    "dashboard_id": "nothing",
    "template_id": "nothing",
    "key": "nothing",
    "metric": "nothing",
    "cls": "nothing",
    "kind": "nothing",
}
ODD = "page=x&size=-1&sort=nope:up&startDate=soon&minLevel=LOUD&revision=z&state=ODD&aggregation=median&latest=perhaps"
BODIES = [
    ("{", "application/json"),
    ("[[1]]", "application/json"),
    ("a: [", "application/x-yaml"),
    ("<a/>", "text/xml"),
]


def asked(rest: Rest, method: str, path: str) -> list[Any]:
    if method == "GET":
        return [rest.get(path), rest.get(f"{path}?{ODD}")]
    return [rest.call(method, f"{path}?{ODD}", body, kind) for body, kind in BODIES]


@pytest.mark.timeout(300)
def test_odd_requests_are_refused_alike_in_both_dialects(admin: Rest) -> None:
    admin.client.raise_request_exception = False
    admin.post("flows", FLOW)
    found, codes = [], Counter[int]()
    for route in routes(VALUES):
        path = route.path.removeprefix("/api/v1/")
        if not route.path.startswith("/api/v1/") or path.startswith("main/"):
            continue
        for method in route.methods:
            if (method, path) == ("DELETE", "flows/tests.rest/hello"):
                continue  # what there is can be deleted once
            for plain, tenant in zip(asked(admin, method, path), asked(admin, method, f"main/{path}"), strict=True):
                codes[plain.status_code] += 1
                if plain.status_code != tenant.status_code or plain.status_code >= 500:
                    found.append((method, path, plain.status_code, tenant.status_code))
                elif plain.status_code >= 400 and faults("problem", plain.json()):
                    found.append((method, path, plain.content[:200]))
    assert found == []
    assert codes[404] > 50 and codes[422] > 100, codes


def test_a_name_that_no_header_can_hold_is_no_error(admin: Rest) -> None:
    answer = admin.get("namespaces/a%0Ab%C2%BD/files/export")
    assert answer.status_code == 200
    assert answer["Content-Disposition"] == 'attachment; filename="a_b__files.zip"'
