"""The rules of CELESTA_RETENTION: what they say, and how a wrong one is refused."""

from datetime import timedelta
from typing import Any

import pytest

from executions.retention import InvalidRetention, Rule, read


def test_a_rule_names_where_it_holds_and_how_long_each_part_is_kept() -> None:
    rules = read(
        [{"namespace": "company", "flowId": "order", "states": ["success"], "logs": "P7D"}, {"executions": "P30D"}]
    )
    assert rules == (
        Rule("company", "order", ("SUCCESS",), logs=timedelta(days=7)),
        Rule(executions=timedelta(days=30)),
    )


@pytest.mark.parametrize(
    ("document", "complaint"),
    [
        ({}, "list"),
        (["x"], "rule 1 must be"),
        ([{"executions": "P30D"}, {"logs": "30"}], "rule 2: logs"),
        ([{"executions": "P1M"}], "fixed length"),
        ([{"executions": "-P1D"}], "duration"),
        ([{"namespace": "a"}], "must limit one of"),
        ([{"states": ["RUNNING"], "logs": "P1D"}], "RUNNING is not a state in which"),
        ([{"keep": "P1D"}], "unknown property 'keep'"),
    ],
)
def test_what_cannot_be_followed_is_refused_with_its_place(document: Any, complaint: str) -> None:
    with pytest.raises(InvalidRetention, match=complaint):
        read(document)
