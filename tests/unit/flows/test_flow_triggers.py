"""What a Flow trigger hears, and how conditions over several executions gather within their windows."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from flows.definition.parse import InvalidFlow, parse_trigger
from flows.definition.states import State
from flows.triggers.base import Facts
from flows.triggers.flow import Flow

NOW = datetime(2026, 11, 26, 12, 0, tzinfo=UTC)
HEAD = "id: t\ntype: io.kestra.plugin.core.trigger.Flow\n"


def a_trigger(body: str = "") -> Flow:
    trigger = parse_trigger(HEAD + body)
    assert isinstance(trigger, Flow)
    return trigger


def facts(**changes: Any) -> Facts:
    values: dict[str, Any] = {
        "render": lambda template: template.strip("{} "),
        "now": NOW,
        "namespace": "company.team",
        "flow_id": "a",
        "state": State.SUCCESS,
    }
    return Facts(**{**values, **changes})


def test_by_default_every_end_is_heard_and_nothing_else() -> None:
    heard = {state for state in State if a_trigger().hears(facts(state=state))}
    assert heard == {state for state in State if state.is_terminal}


def test_states_and_all_conditions_must_fit() -> None:
    trigger = a_trigger(
        "states: [FAILED, PAUSED]\nconditions:\n"
        "- type: io.kestra.plugin.core.condition.ExecutionNamespace\n  namespace: company\n  prefix: true\n"
        "- type: io.kestra.plugin.core.condition.ExecutionFlow\n  namespace: company.team\n  flowId: a\n"
    )
    assert trigger.hears(facts(state=State.PAUSED))
    assert not trigger.hears(facts(state=State.SUCCESS))
    assert not trigger.hears(facts(state=State.FAILED, flow_id="b"))


@pytest.mark.parametrize(
    ("how", "given", "value", "fits"),
    [
        ("EQUAL_TO", "a", "a", True),
        ("EQUAL_TO", "a", "b", False),
        ("NOT_EQUAL_TO", "a", "b", True),
        ("STARTS_WITH", "abc", "ab", True),
        ("ENDS_WITH", "abc", "bc", True),
        ("CONTAINS", "abc", "b", True),
        ("REGEX", "abc", "a.c", True),
        ("REGEX", "abcd", "a.c", False),
    ],
)
def test_a_filter_compares_texts(how: str, given: str, value: str, fits: bool) -> None:
    trigger = a_trigger(
        f"preconditions:\n  id: p\n  where: [{{id: w, filters: [{{field: FLOW_ID, type: {how}, value: '{value}'}}]}}]\n"
    )
    (gathering,) = trigger.gatherings()
    assert gathering.matched(facts(flow_id=given)) == (["where:w"] if fits else [])


@pytest.mark.parametrize(
    ("how", "expression", "fits"),
    [("IS_TRUE", "true", True), ("IS_TRUE", "false", False), ("IS_FALSE", "0", True), ("IS_NULL", "", True),
     ("IS_NOT_NULL", "x", True), ("IN", "a", True), ("NOT_IN", "c", True), ("NOT_IN", "b", False)],
)  # fmt: skip
def test_a_filter_decides_an_expression(how: str, expression: str, fits: bool) -> None:
    trigger = a_trigger(
        "preconditions:\n  id: p\n  where: [{id: w, filters: "
        f"[{{field: EXPRESSION, type: {how}, value: '{{{{ {expression} }}}}', values: [a, b]}}]}}]\n"
    )
    assert bool(trigger.gatherings()[0].matched(facts())) is fits


def test_an_or_of_filters_needs_one_of_them() -> None:
    trigger = a_trigger(
        "preconditions:\n  id: p\n  where:\n  - id: w\n    operand: OR\n    filters:\n"
        "    - {field: FLOW_ID, type: EQUAL_TO, value: b}\n    - {field: STATE, type: IN, values: [SUCCESS]}\n"
    )
    assert trigger.gatherings()[0].matched(facts()) == ["where:w"]


TWO_FLOWS = (
    "preconditions:\n  id: p\n  flows:\n"
    "  - {namespace: company.team, flowId: a, states: [SUCCESS]}\n"
    "  - {namespace: company.team, flowId: b, labels: {k: v}}\n"
)


def test_parts_are_met_by_different_executions() -> None:
    (gathering,) = a_trigger(TWO_FLOWS).gatherings()
    first = gathering.matched(facts())
    met = gathering.with_matched({}, first, NOW)
    assert met is not None and not gathering.is_complete(met)
    assert gathering.matched(facts(flow_id="b")) == []
    second = gathering.matched(facts(flow_id="b", labels=[{"key": "k", "value": "v"}]))
    met = gathering.with_matched(met, second, NOW + timedelta(minutes=1))
    assert met is not None and gathering.is_complete(met)


@pytest.mark.parametrize(
    ("window", "first", "second", "together"),
    [
        ("", "2026-11-26T01:00Z", "2026-11-26T23:00Z", True),
        ("", "2026-11-25T23:00Z", "2026-11-26T01:00Z", False),
        ("window: PT1H", "2026-11-26T12:01Z", "2026-11-26T12:59Z", True),
        ("window: PT1H", "2026-11-26T12:59Z", "2026-11-26T13:01Z", False),
        ("{window: PT1H, windowAdvance: PT30M}", "2026-11-26T12:59Z", "2026-11-26T13:01Z", True),
        ("{type: SLIDING_WINDOW, window: PT1H}", "2026-11-26T12:59Z", "2026-11-26T13:01Z", True),
        ("{type: SLIDING_WINDOW, window: PT1H}", "2026-11-26T12:00Z", "2026-11-26T13:01Z", False),
        ("{type: DAILY_TIME_DEADLINE, deadline: '09:00:00'}", "2026-11-26T08:00Z", "2026-11-26T08:59Z", True),
        ("{type: DAILY_TIME_DEADLINE, deadline: '09:00:00'}", "2026-11-26T08:00Z", "2026-11-26T09:01Z", False),
        ("{type: DAILY_TIME_WINDOW, startTime: '06:00:00', endTime: '09:00:00'}", "2026-11-26T06:30Z",
         "2026-11-26T08:00Z", True),
        ("{type: DAILY_TIME_WINDOW, startTime: '06:00:00', endTime: '09:00:00'}", "2026-11-26T05:30Z",
         "2026-11-26T08:00Z", False),
    ],
)  # fmt: skip
def test_only_what_meets_within_the_window_counts(window: str, first: str, second: str, together: bool) -> None:
    text = window if window.startswith("{") else f"{{{window}}}"
    (gathering,) = a_trigger(f"{TWO_FLOWS}  timeWindow: {text}\n").gatherings()
    one, other = list(gathering.parts)
    met = gathering.with_matched({}, [one], datetime.fromisoformat(first)) or {}
    met = gathering.with_matched(met, [other], datetime.fromisoformat(second)) or {}
    assert gathering.is_complete(met) is together


def test_the_deprecated_condition_gathers_too() -> None:
    trigger = a_trigger(
        "conditions:\n- id: multiple\n  type: io.kestra.plugin.core.condition.MultipleCondition\n  window: PT12H\n"
        "  conditions:\n"
        "    one: {type: io.kestra.plugin.core.condition.ExecutionFlow, namespace: n, flowId: a}\n"
        "    two: {type: io.kestra.plugin.core.condition.ExecutionFlow, namespace: n, flowId: b}\n"
    )
    assert trigger.hears(facts())
    (gathering,) = trigger.gatherings()
    assert (gathering.id, list(gathering.parts), gathering.window.window) == (
        "multiple",
        ["one", "two"],
        timedelta(hours=12),
    )


def test_a_trigger_tells_which_flows_concern_it() -> None:
    trigger = a_trigger(TWO_FLOWS)
    assert trigger.listens_to("company.team", "b")
    assert not trigger.listens_to("company.team", "c")
    assert a_trigger().listens_to("any", "flow")


def test_a_filter_that_does_not_exist_is_refused() -> None:
    with pytest.raises(InvalidFlow, match="RESEMBLES"):
        a_trigger("preconditions: {id: p, where: [{id: w, filters: [{field: STATE, type: RESEMBLES}]}]}\n")
