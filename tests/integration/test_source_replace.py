"""Text replaced in the sources of many flows: looked at first, then done, flow by flow."""

from typing import Any

import pytest

from flows import catalog
from tests.integration.rest_support import Rest, member

pytestmark = pytest.mark.django_db
FLOW = """\
id: {id}
namespace: {namespace}
description: say hello
inputs:
- {{id: hello, type: STRING, defaults: x}}
tasks:
  # hello, hello
  - id: say
    type: io.kestra.plugin.core.log.Log
    message: Hello {{{{ inputs.hello }}}}
"""
PATH = "flows/source/replace"


@pytest.fixture(autouse=True)
def three_flows(empty: None) -> None:
    for namespace, flow_id in (("a", "one"), ("a", "two"), ("b", "one")):
        catalog.create(FLOW.format(id=flow_id, namespace=namespace))


def body(query: str, replacement: str, **more: Any) -> dict[str, Any]:
    return {"query": query, "replacement": replacement, **more}


def lines(answer: Any) -> list[tuple[int, str]]:
    assert answer.status_code == 200, answer.content
    return [(match["line"], match["after"].strip()) for match in answer.json()["flows"][0]["matches"]]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"caseSensitive": True, "wholeWord": True, "scope": "INPUTS"}, [(5, "- {id: $1, type: STRING, defaults: x}")]),
        ({"scope": "TASKS"}, [(7, "# $1, $1"), (10, "message: $1 {{ inputs.$1 }}")]),
        ({"scope": "TRIGGERS"}, []),
        ({"query": "hell", "wholeWord": True}, []),
        ({"query": "h(.)llo,", "regex": True}, [(5, "- {id: e type: STRING, defaults: x}"), (7, "# e hello")]),
        ({"query": "h.llo,"}, []),
    ],
)
def test_a_preview_shows_each_line_before_and_after(admin: Rest, options: Any, expected: Any) -> None:
    answer = admin.post(f"{PATH}/preview", {**body("hello", "$1", namespace="a"), **options})
    if expected:
        assert lines(answer) == expected
    assert answer.json()["totalFlows"] == (2 if expected else 0)
    assert answer.json()["totalMatches"] == 2 * len(expected)
    assert catalog.record("a", "one").revision == 1


def test_only_named_flows_that_the_caller_may_write_are_changed() -> None:
    author, keys = Rest(member("ann", "author", "a")), [("a", "one"), ("a", "none"), ("b", "one"), ("a", "two")]
    catalog.revise("a", "two", FLOW.format(id="two", namespace="a").replace("say hello", "say hi"))
    named = [{"namespace": namespace, "id": flow_id} for namespace, flow_id in keys]
    answer = author.post(f"{PATH}/apply", body("say hello", "say $0", flows=named, caseSensitive=True)).json()
    assert [(flow["id"], flow["revision"]) for flow in answer["updated"]] == [("one", 2)]
    assert "description: say $0\n" in answer["updated"][0]["source"]
    reasons = {(one["namespace"], one["id"]): one["reason"] for one in answer["skipped"]}
    assert reasons == {("a", "none"): "NOT_FOUND", ("b", "one"): "NOT_FOUND", ("a", "two"): "NO_MATCH"}
    assert catalog.record("b", "one").revision == 1


def test_a_flow_that_would_no_longer_read_is_left_alone(admin: Rest) -> None:
    answer = admin.post(f"{PATH}/apply", body("core.log.Log", "core.Nothing", flows=[{"namespace": "a", "id": "one"}]))
    [skipped] = answer.json()["skipped"]
    assert skipped["reason"] == "INVALID_FLOW" and "core.Nothing" in skipped["message"]
    assert catalog.record("a", "one").revision == 1


def test_one_line_or_one_match_of_it(admin: Rest) -> None:
    place = {"namespace": "a", "id": "one", "line": 7}
    assert (
        admin.post(f"{PATH}/line", body("hello", "hi", **place, column=3)).json()["skipped"][0]["reason"] == "NO_MATCH"
    )
    source = admin.post(f"{PATH}/line", body("hello", "hi", **place, column=11)).json()["updated"][0]["source"]
    assert "# hello, hi\n" in source
    source = admin.post(f"{PATH}/line", body("h(ello|i)", "$1", **place, regex=True)).json()["updated"][0]["source"]
    assert "# ello, i\n" in source and "description: say hello" in source
    assert admin.post(f"{PATH}/line", body("x", "y", **{**place, "line": 999})).json()["skipped"]


@pytest.mark.parametrize(
    "wrong",
    [{"query": " "}, {"query": "(", "regex": True}, {"query": "(h)", "replacement": "$7", "regex": True},
     {"replacement": None}, {"scope": "ELSEWHERE"}, {"regex": "yes"}, {"query": "x" * 2000}],
)  # fmt: skip
def test_what_cannot_be_searched_is_refused(admin: Rest, wrong: dict[str, Any]) -> None:
    assert admin.post(f"{PATH}/preview", {**body("hello", "hi"), **wrong}).status_code == 422
    assert admin.post(f"{PATH}/apply", body("hello", "hi", flows=[])).status_code == 422
