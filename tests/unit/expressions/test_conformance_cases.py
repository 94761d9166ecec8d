"""The outside judge's expression cases that need nothing but variables, rendered directly."""

import importlib.util
import json
import os
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from flows.expressions.render import DictScope, ExpressionError, render, render_value
from flows.expressions.typed_json import decode

from .services import Answers

JUDGE = Path(os.environ.get("CELESTA_CONFORMANCE", Path(__file__).parents[4] / "shared" / "conformance"))
CASES_FILE = JUDGE / "open" / "expression_cases.json"


def cases() -> list[dict[str, Any]]:
    if not CASES_FILE.exists():
        return []
    found = json.loads(CASES_FILE.read_text())["cases"]
    return [case for case in found if not case.get("needs") and not case.get("java_specific") and not case.get("skip")]


@pytest.fixture(scope="module")
def judge() -> Any:
    if not CASES_FILE.exists():
        pytest.skip("the conformance cases are not here")
    sys.path.insert(0, str(JUDGE))
    try:
        spec = importlib.util.spec_from_file_location("run_expressions", JUDGE / "run_expressions.py")
        assert spec is not None and spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module
    finally:
        sys.path.remove(str(JUDGE))


@pytest.mark.parametrize("zone", ["UTC", "Europe/Paris"])
@pytest.mark.parametrize("case", cases(), ids=lambda case: case["id"])
def test_a_case_of_the_judge_renders_as_expected(case: dict[str, Any], zone: str, judge: Any) -> None:
    services = Answers(zone=zone)
    services.moment = datetime.now(UTC)
    scope = DictScope(decode(case["variables"], ZoneInfo(zone)))
    recursive = bool(case.get("config", {}).get("kestra.variables.recursive-rendering"))
    template = case["template"]
    answer: dict[str, Any]
    try:
        if isinstance(template, str):
            result: Any = render(template, scope, services, recursive=recursive)
        else:
            result = render_value(template, scope, services, recursive=recursive)
        answer = {"ok": True, "result": result}
    except ExpressionError as error:
        answer = {"ok": False, "error": str(error)}
    assert judge.check(case, answer, services.moment, zone) == []
