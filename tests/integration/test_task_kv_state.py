"""core.kv and core.state on the real worker and the real database."""

from dataclasses import replace
from datetime import timedelta

import pytest
from django.conf import settings

from executions import encryption
from executions.storage import kv
from tests.integration.worker_support import NAMESPACE, TaskBench

KV = "io.kestra.plugin.core.kv."
STATE = "io.kestra.plugin.core.state."


def test_a_pair_is_set_read_listed_and_deleted(bench: TaskBench) -> None:
    results = bench.run(f"""
- {{id: set, type: {KV}Set, key: "my-{{{{ inputs.name }}}}", value: "{{{{ inputs.value }}}}", ttl: PT1H, kvDescription: why}}
- {{id: get, type: {KV}Get, key: my-key}}
- {{id: keys, type: {KV}GetKeys, prefix: my-}}
- {{id: delete, type: {KV}Delete, key: my-key}}
- {{id: again, type: {KV}Get, key: my-key}}
""", name="key", value={"a": [1, 2.5, None]})  # fmt: skip
    assert [result["state"] for result in results.values()] == ["SUCCESS"] * 5
    assert results["get"]["outputs"] == {"value": {"a": [1, 2.5, None]}}
    assert results["keys"]["outputs"] == {"keys": ["my-key"]}
    assert results["delete"]["outputs"] == {"deleted": True}
    assert results["again"]["outputs"] == {"value": None}


@pytest.mark.parametrize(
    ("kv_type", "given", "stored"),
    [
        ("NUMBER", "'42'", 42),
        ("BOOLEAN", "'true'", True),
        ("DATE", "'2024-03-01'", "2024-03-01"),
        ("DATETIME", "'2024-03-01T10:00:00+02:00'", "2024-03-01T08:00:00Z"),
        ("DURATION", "PT1H", "PT1H"),
        ("JSON", "'{\"a\": 1}'", {"a": 1}),
        ("STRING", "'{{ 1 + 1 }}'", "2"),
    ],
)
def test_a_value_is_stored_as_its_type(bench: TaskBench, kv_type: str, given: str, stored: object) -> None:
    outputs = bench.outputs(f"""
- {{id: set, type: {KV}Set, key: k, kvType: {kv_type}, value: {given}}}
- {{id: get, type: {KV}Get, key: k}}
""")  # fmt: skip
    assert outputs == {"value": stored}
    assert bench.table.value("SELECT type FROM key_values") == kv_type


def test_a_flow_sees_the_pairs_of_its_parent_namespaces(bench: TaskBench) -> None:
    parent = NAMESPACE.partition(".")[0]
    outputs = bench.outputs(f"""
- {{id: set, type: {KV}Set, namespace: {parent}, key: shared, value: from above}}
- {{id: get, type: {KV}Get, key: shared}}
- {{id: back, type: core.debug.Return, format: "{{{{ kv('shared') }}}} and {{{{ outputs.get.value }}}}"}}
""")  # fmt: skip
    assert outputs == {"value": "from above and from above"}


@pytest.mark.parametrize(
    ("task", "cause"),
    [
        (f"{{id: a, type: {KV}Get, key: none, errorOnMissing: true}}", "No value found for key 'none'"),
        (f"{{id: a, type: {KV}Delete, key: none, errorOnMissing: 'true'}}", "No value found for key 'none'"),
        (f"{{id: a, type: {KV}Set, key: n, kvType: NUMBER, value: twelve}}", "Not a NUMBER: twelve"),
        (f"{{id: a, type: {KV}Set, key: 'bad key', value: x}}", "Key must start with an alphanumeric character"),
        (f"{{id: a, type: {KV}Set, key: k, value: x, ttl: soon}}", "`ttl` is not a duration"),
        (f"{{id: a, type: {KV}Set, key: k, value: x, kvType: BLOB}}", "`kvType` must be one of STRING"),
        (f"{{id: a, type: {STATE}Get, errorOnMissing: true}}", "State default not found"),
        (f"{{id: a, type: {STATE}Delete, name: x, errorOnMissing: true}}", "State x not found"),
        (f"{{id: a, type: {STATE}Set, data: '[1]'}}", "`data` must be a map"),
    ],
)
def test_what_is_wrong_fails_the_task_with_the_cause(bench: TaskBench, task: str, cause: str) -> None:
    assert cause in bench.failure(f"- {task}")


def test_a_pair_that_must_not_be_overwritten_stays(bench: TaskBench) -> None:
    assert "Key already exists: k" in bench.failure(f"""
- {{id: first, type: {KV}Set, key: k, value: one}}
- {{id: second, type: {KV}Set, key: k, value: two, overwrite: false}}
""")  # fmt: skip
    assert bench.table.value("SELECT value FROM key_values") == "one"


def test_a_state_is_merged_read_and_deleted_per_name(bench: TaskBench) -> None:
    results = bench.run(f"""
- {{id: none, type: {STATE}Get}}
- {{id: one, type: {STATE}Set, data: {{a: 1, b: "{{{{ flow.id }}}}"}}}}
- {{id: two, type: {STATE}Set, data: {{a: 2}}}}
- {{id: get, type: {STATE}Get}}
- {{id: other, type: {STATE}Get, name: a name of its own}}
- {{id: delete, type: {STATE}Delete}}
- {{id: gone, type: {STATE}Delete}}
""")  # fmt: skip
    flow_id = bench.table.flow.id
    assert results["none"]["outputs"] == {"count": 0, "data": {}}
    assert results["two"]["outputs"] == {"count": 2, "key": f"{flow_id}_states_default"}
    assert results["get"]["outputs"] == {"count": 2, "data": {"a": 2, "b": flow_id}}
    assert results["other"]["outputs"] == {"count": 0, "data": {}}
    assert (results["delete"]["outputs"], results["gone"]["outputs"]) == ({"deleted": True}, {"deleted": False})


def test_a_secret_is_kept_encrypted_and_clear_to_later_expressions(
    bench: TaskBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = replace(settings.CELESTA, secrets={"WORD": "canary-word"})
    monkeypatch.setattr(settings, "CELESTA", known)
    results = bench.run(f"""
- {{id: set, type: {KV}Set, key: k, value: "a {{{{ secret('WORD') }}}}"}}
- {{id: map, type: {KV}Set, key: m, kvType: JSON, value: "{{{{ {{'w': secret('WORD')}} | toJson }}}}"}}
- {{id: text, type: {KV}Set, key: t, kvType: STRING, value: "{{{{ secret('WORD') }}}}"}}
- {{id: state, type: {STATE}Set, data: {{w: "{{{{ secret('WORD') | upper }}}}"}}}}
- {{id: back, type: core.debug.Return, format: "{{{{ kv('k') | length }}}} {{{{ kv('m').w | length }}}} {{{{ kv('t') | length }}}}"}}
- {{id: get, type: {STATE}Get}}
- {{id: again, type: core.debug.Return, format: "{{{{ kv('k') }}}}"}}
""")  # fmt: skip
    assert {task_id: result.get("error") for task_id, result in results.items() if result["state"] != "SUCCESS"} == {}
    # Even their lengths tell of the secret.
    assert encryption.decrypt(results["back"]["outputs"]["value"]) == "13 11 11"
    for table in ("key_values", "queues", "logs", "payloads"):
        stored = bench.table.value(f"SELECT string_agg(t::text, '') FROM {table} t") or ""
        assert "canary" not in stored.lower(), table


PAIRS = [("company.worker", "old"), ("company.worker", "kept"), ("company.worker.below", "old"), ("company", "old"),
         ("company.worker.below", "AI_x"), ("company.workers", "old")]  # fmt: skip


@pytest.mark.parametrize(
    ("properties", "left"),
    [
        ("namespaces: [company.worker]", ["company/old", "company.worker/kept", "company.worker.below/AI_x", "company.workers/old"]),
        ("namespaces: [company.worker], includeChildNamespaces: false",
         ["company/old", "company.worker/kept", "company.worker.below/AI_x", "company.worker.below/old", "company.workers/old"]),
        ("namespacePattern: '*.below', expiredOnly: false",
         ["company/old", "company.worker/kept", "company.worker/old", "company.workers/old"]),
        ("keyPattern: 'AI_*', behavior: {type: key, expiredOnly: false}",
         ["company/old", "company.worker/kept", "company.worker/old", "company.worker.below/old", "company.workers/old"]),
        ("behavior: {type: key}", ["company.worker/kept", "company.worker.below/AI_x"]),
        ("behavior: {type: version, keepAmount: 1}", [f"{namespace}/{key}" for namespace, key in PAIRS]),
    ],
)  # fmt: skip
def test_pairs_are_purged_by_namespace_key_and_time(bench: TaskBench, properties: str, left: list[str]) -> None:
    connection = bench.table.connection
    for namespace, key in PAIRS:
        kv.put(connection, namespace, key, "x", ttl=timedelta(seconds=-1 if key == "old" else 100))
    outputs = bench.outputs(f"- {{id: purge, type: {KV}PurgeKV, {properties}}}")
    rows = connection.execute("SELECT namespace || '/' || key FROM key_values").fetchall()
    assert sorted(row[0] for row in rows) == sorted(left)
    assert outputs == {"size": len(PAIRS) - len(left)}


def test_older_contents_of_namespace_files_are_purged(bench: TaskBench) -> None:
    platform = bench.worker.tools.platform("company")
    for name in ("a/x.sql", "y.sql", "z.txt"):
        for text in ("1", "2", "3"):
            platform.put_namespace_file("company", name, text.encode())
    task = "- {id: purge, type: io.kestra.plugin.core.namespace.PurgeFiles, namespaces: [company]"
    long_ago = ", behavior: {type: version, before: '2000-01-01T00:00:00Z'}}"
    assert bench.outputs(task + long_ago) == {"size": 0}
    assert bench.outputs(task + ", filePattern: '**/*.sql', behavior: {type: version, keepAmount: 2}}") == {"size": 2}
    assert bench.outputs(task + ", filePattern: '*.txt'}") == {"size": 2}
    assert bench.outputs(task + long_ago.replace("2000", "2200")) == {"size": 2}
    assert platform.namespace_files("company") == ["a/x.sql", "y.sql", "z.txt"]
    assert "`before` and `keepAmount`" in bench.failure(task + ", behavior: {type: version}}")
    assert "at least 1" in bench.failure(task + ", behavior: {type: version, keepAmount: 0}}")
    assert "exclude each other" in bench.failure(task + ", namespacePattern: 'x.*'}")


def test_a_pair_past_its_time_is_as_good_as_none(bench: TaskBench) -> None:
    connection = bench.table.connection
    kv.put(connection, NAMESPACE, "gone", "x", ttl=timedelta(seconds=-1))
    kv.put(connection, NAMESPACE, "there", "x", ttl=timedelta(seconds=100))
    results = bench.run(f"""
- {{id: get, type: {KV}Get, key: gone}}
- {{id: keys, type: {KV}GetKeys}}
- {{id: expression, type: core.debug.Return, format: "{{{{ kv('gone') ?? 'none' }}}}"}}
- {{id: delete, type: {KV}Delete, key: gone}}
- {{id: set, type: {KV}Set, key: gone, value: again, overwrite: false}}
- {{id: again, type: {KV}Get, key: gone}}
""")  # fmt: skip
    assert results["get"]["outputs"] == {"value": None}
    assert results["keys"]["outputs"] == {"keys": ["there"]}
    assert results["expression"]["outputs"] == {"value": "none"}
    assert results["delete"]["outputs"] == {"deleted": False}
    assert results["again"]["outputs"] == {"value": "again"}


def test_the_nearest_namespace_that_has_a_pair_wins(bench: TaskBench) -> None:
    connection = bench.table.connection
    kv.put(connection, NAMESPACE.partition(".")[0], "k", "far")
    task = f"- {{id: get, type: {KV}Get, key: k}}"
    assert bench.outputs(task) == {"value": "far"}
    kv.put(connection, NAMESPACE, "k", "near")
    assert bench.outputs(task) == {"value": "near"}
