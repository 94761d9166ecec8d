"""Flows and templates that try to hurt, over the real REST interface: refused or failed with a reason, fast."""

import time
from typing import Any
from urllib.parse import quote

import pytest

from tests.plant import Plant, settled_faults

YAML = "application/x-yaml"
HEAD = "id: hostile\nnamespace: company.team\n"
TASKS = "tasks:\n  - {id: a, type: core.log.Log, message: hi}\n"
BOMB = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"{new}: &{new} [{','.join(['*' + old] * 9)}]\n" for old, new in zip("abcdefgh", "bcdefghi", strict=True)
)
SOURCES = {
    "alias bomb": (HEAD + TASKS + "variables:\n" + "".join(f"  {line}\n" for line in BOMB.splitlines()), "alias"),
    "100,000 brackets": (HEAD + "tasks: " + "[" * 100_000, "nested deeper"),
    "duplicate keys": (HEAD + "id: again\n" + TASKS, "Duplicate field 'id'"),
    "python tag": (HEAD + TASKS + "description: !!python/object/apply:os.system ['touch /tmp/hurt']\n", "not allowed"),
    "10 MB": (HEAD + TASKS + "description: " + "x" * 10_000_000, "large"),
}


def request(product: Plant, method: str, path: str, body: str) -> tuple[int, str, float]:
    """Status, answer and seconds."""
    began = time.monotonic()
    status, answer = product.request(method, path, body.encode(), YAML)
    return status, str(answer), time.monotonic() - began


@pytest.mark.parametrize(("source", "reason"), SOURCES.values(), ids=SOURCES.keys())
def test_hostile_yaml_is_422_with_a_reason_in_under_a_second(product: Plant, source: str, reason: str) -> None:
    for path in ("/api/v1/main/flows", "/api/v1/flows"):
        status, answer, seconds = request(product, "POST", path, source)
        assert status == 422 and reason in answer, (status, answer[:500])
        assert seconds < 1
    assert product.request("GET", "/health")[0] == 200
    assert product.request("GET", "/api/v1/main/flows/company.team/hostile")[0] == 404


def test_an_unknown_task_type_is_422_and_names_near_matches(product: Plant) -> None:
    source = HEAD + "tasks:\n  - {id: a, type: io.kestra.plugin.core.log.Logg, message: hi}\n"
    status, answer, _ = request(product, "POST", "/api/v1/main/flows", source)
    assert status == 422
    assert "io.kestra.plugin.core.log.Logg" in answer and "did you mean" in answer.lower()
    assert "io.kestra.plugin.core.log.Log" in answer.replace("log.Logg", "")


TEMPLATES = {
    "an endless loop": "{% for i in range(0, 100000000) %}x{% endfor %}",
    "loops in loops": "{% for a in range(1, 9999) %}{% for b in range(1, 9999) %}{{ a * b }}{% endfor %}{% endfor %}",
    "a macro that calls itself": "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
    "a huge string": "{% set x = 'xxxxxxxxxxxxxxxx' %}"
    + "{% set x = x ~ x ~ x ~ x ~ x ~ x ~ x ~ x %}" * 12
    + "{{ x }}",
    "a slow pattern": "{{ 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!' matches '(a+)+$' }}",
    "attributes of Python": "{{ ''.__class__.__mro__[1].__subclasses__() }}",
    "globals of a function": "{{ range.__globals__ }}",
    "settings": "{{ settings.SECRET_KEY }}",
    "Java's classes": "{{ flow.getClass().forName('java.lang.Runtime') }}",
    "deep brackets": "{{ " + "(" * 5000 + "1" + ")" * 5000 + " }}",
}


@pytest.mark.parametrize("template", TEMPLATES.values(), ids=TEMPLATES.keys())
def test_a_hostile_template_fails_its_task_with_a_reason_within_two_seconds(product: Plant, template: str) -> None:
    from executions.codec import dumps

    flow_id = f"hostile-{abs(hash(template))}"
    text: Any = dumps(template)
    text = text.decode() if isinstance(text, bytes) else text
    source = f"id: {flow_id}\nnamespace: company.team\ntasks:\n  - {{id: a, type: core.debug.Return, format: {text}}}\n"
    status, answer = product.request("POST", "/api/v1/main/flows", source.encode(), YAML)
    if status == 422:
        assert "message" in answer, "refused when the flow was saved"
        return
    assert status == 200, answer
    began = time.monotonic()
    status, ended = product.request("POST", f"/api/v1/main/executions/company.team/{quote(flow_id)}?wait=true")
    assert status == 200, ended
    assert time.monotonic() - began < 2
    assert ended["state"]["current"] == "FAILED", ended
    logs = product.get(f"/api/v1/main/logs/{ended['id']}")
    errors = [line["message"] for line in logs if line["level"] == "ERROR"]
    assert errors and all(errors), logs
    print(errors)
    assert "/usr" not in str(logs) and "Traceback" not in str(logs)


def test_after_all_that_the_product_is_whole(product: Plant) -> None:
    assert settled_faults(product) == []
    assert all(process.popen.poll() is None for process in product.processes)
