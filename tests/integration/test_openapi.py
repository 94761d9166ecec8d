"""The OpenAPI document: complete, correct in itself, and no request made from it is ever answered by a 500."""

import os
import re
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
import requests
from hypothesis import HealthCheck, Phase, given, settings
from jsonschema import Draft7Validator

from orchestrator_site import openapi
from orchestrator_site.openapi_operations import METHODS, OPERATIONS
from tests.integration.rest_support import FLOW, Rest, a_finished_run, a_line, a_metric, stored
from tests.integration.test_rest_permissions import routes

EXAMPLES = int(os.environ.get("SCHEMA_EXAMPLES", "3"))  # of each operation; more when looking for trouble


def operations() -> list[tuple[str, str, Any]]:
    paths = openapi.document()["paths"]
    return [(path, method, operation) for path, methods in paths.items() for method, operation in methods.items()]


def test_every_route_is_described_once_with_an_id_of_its_own(admin: Rest) -> None:
    documented = {re.sub(r"{\w+}", "x", path) for path, _, _ in operations()}
    served = {
        route.path
        for route in routes({})
        if route.path.startswith("/api/v1/") and not route.path.startswith("/api/v1/main/")
    }
    assert {re.sub("/daily$|/kill$", "", path) for path in served} - {
        re.sub("/daily$|/kill$", "", path) for path in documented
    } == set()
    ids = [operation["operationId"] for _, _, operation in operations()]
    assert len(ids) == len(set(ids))
    assert admin.json("/api/schema")["openapi"].startswith("3.")
    assert Rest().get("/api/schema").status_code == 401


def test_what_is_told_of_views_is_told_of_views_that_exist() -> None:
    names = {
        f"{route.view.__module__.partition('.')[0]}.{route.view.__module__.rpartition('.')[2]}.{route.view.__name__}"
        for route in routes({})
    }
    known = names | {name.partition(".")[2] for name in names}
    assert set(OPERATIONS) - known == set()
    assert {name.partition(" ")[0] for name in METHODS} - known == set()


def test_references_and_examples_hold() -> None:
    document = openapi.document()
    schemas = document["components"]["schemas"]

    def check(value: Any) -> None:
        if isinstance(value, list):
            for item in value:
                check(item)
        elif isinstance(value, dict):
            if isinstance(value.get("$ref"), str):
                assert value["$ref"].rpartition("/")[2] in schemas
            if "schema" in value and "example" in value and value.get("in") != "path":
                schema = {**value["schema"], "components": document["components"]}
                Draft7Validator(schema).validate(value["example"])
            for item in value.values():
                check(item)

    check(document["paths"])


@pytest.fixture
def things(admin: Rest) -> Rest:
    """Something behind the names that the examples of the document use."""
    admin.post("flows", FLOW.replace("tests.rest", "company.team"))
    execution = stored(a_finished_run("say"), namespace="company.team", flow_id="hello")
    a_line(execution, "line")
    a_metric(execution, "rows", 1)
    return admin


@pytest.mark.timeout(400)
@pytest.mark.filterwarnings("ignore")
def test_no_request_made_from_the_document_is_answered_by_a_500(things: Rest) -> None:
    import schemathesis

    found, codes = [], Counter[int]()
    schema = schemathesis.openapi.from_dict(openapi.document())

    def ask(case: Any) -> None:
        wanted = case.as_transport_kwargs(base_url="http://localhost")
        allowed = {key: wanted[key] for key in ("method", "url", "params", "data", "json", "files") if key in wanted}
        request = requests.Request(**allowed).prepare()
        kind = request.headers.get("Content-Type") or wanted["headers"].get("Content-Type", "")
        body = request.body.encode() if isinstance(request.body, str) else request.body
        answer = things.call(request.method, request.path_url, body, kind)
        codes[answer.status_code] += 1
        if answer.status_code >= 500:
            found.append((request.method, request.path_url[:300], str(body)[:200], answer.content[:200]))

    for result in schema.get_all_operations():
        if result.ok().path != "/api/v1/basicAuth":  # it would change the password in use
            probe(result.ok(), ask)
    assert found == []
    assert codes[200] > 100 and codes[404] > 50 and codes[422] > 50, codes


def probe(operation: Any, ask: Callable[[Any], None]) -> None:
    @given(operation.as_strategy())
    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        database=None,
        derandomize=True,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    def run(case: Any) -> None:
        ask(case)

    run()
