"""Secrets in tasks: clear to the task, sealed in what is stored, stars in what is shown."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from executions.codec import dumps
from executions.encryption import TYPE, encrypt_input, revealed, with_given_shown
from executions.storage import secrets
from executor.worker.process import Worker
from flows.expressions.taint import SecretStr
from tests.integration.worker_support import Desk, run_claimed, run_one, working

CANARY = "S3cr3t-0b1f6c52+/="


@pytest.fixture
def worker(table: Desk) -> Iterator[Worker]:
    from django.conf import settings

    before = settings.CELESTA
    settings.CELESTA = replace(before, secrets={"CANARY": CANARY})
    with working() as started:
        yield started
    settings.CELESTA = before


def test_an_output_made_of_a_secret_is_stored_encrypted(table: Desk, worker: Worker) -> None:
    result = run_one(
        table, worker, "- {id: one, type: core.debug.Return, format: \"a {{ secret('CANARY') | upper }} b\"}"
    )
    assert result["outputs"]["value"]["type"] == TYPE
    assert revealed(result["outputs"]) == {"value": f"a {CANARY.upper()} b"}


def test_a_later_task_reads_it_in_the_clear_and_its_log_shows_stars(table: Desk, worker: Worker) -> None:
    sealed = run_one(table, worker, "- {id: one, type: core.debug.Return, format: \"{{ secret('CANARY') }}\"}")[
        "outputs"
    ]
    table.define(
        """
- {id: one, type: core.debug.Return}
- id: two
  type: io.kestra.plugin.scripts.shell.Commands
  env: {VALUE: "{{ outputs.one.value }}"}
  commands: ['printf %s "$VALUE" | wc -c', 'echo "it is $VALUE"']
"""
    ).hand_out("two", outputs={"one": sealed})
    run_claimed(worker)
    assert table.result()["state"] == "SUCCESS"
    assert [line.strip() for _, line in table.logs()] == [str(len(CANARY)), "it is ********"]


def test_a_script_that_gives_a_secret_back_has_it_sealed(table: Desk, worker: Worker) -> None:
    result = run_one(
        table,
        worker,
        """
- id: one
  type: io.kestra.plugin.scripts.shell.Script
  env: {VALUE: "{{ secret('CANARY') }}"}
  script: |
    echo '::{"outputs":{"back":"'"$VALUE"'","metrics":[]}}::'
""",
    )
    assert revealed(result["outputs"]["vars"]["back"]) == CANARY
    assert CANARY not in str(result)


def test_jsonata_of_a_secret_is_a_secret(table: Desk, worker: Worker) -> None:
    result = run_one(
        table,
        worker,
        "- {id: one, type: transform.jsonata.TransformValue, from: '{\"a\": \"{{ secret(''CANARY'') }}\"}', expression: '{\"up\": $uppercase(a)}'}",
    )
    assert result["state"] == "SUCCESS", result
    assert revealed(result["outputs"]["value"]) == {"up": CANARY.upper()}


def test_a_failure_that_names_a_secret_shows_stars(table: Desk, worker: Worker) -> None:
    result = run_one(
        table, worker, "- {id: one, type: core.execution.Fail, errorMessage: \"no {{ secret('CANARY') }}\"}"
    )
    assert result["error"] == "no ********"
    assert table.messages() == "no ********"


def test_a_missing_secret_fails_with_its_name(table: Desk, worker: Worker) -> None:
    result = run_one(table, worker, "- {id: one, type: core.debug.Return, format: \"{{ secret('NOPE') }}\"}")
    assert "Cannot find secret for key 'NOPE'" in result["error"]


# Secrets of the table.


def test_the_nearest_namespace_has_the_secret_and_the_environment_comes_last(table: Desk, worker: Worker) -> None:
    secrets.put(table.connection, "company", "CANARY", "of the parent")
    secrets.put(table.connection, "company.other", "CANARY", "of another")
    task = "- {id: one, type: core.debug.Return, format: \"{{ secret('CANARY') }}\"}"
    assert revealed(run_one(table, worker, task)["outputs"]) == {"value": "of the parent"}
    secrets.put(table.connection, "company.worker", "CANARY", "own")
    assert revealed(run_one(table, worker, task)["outputs"]) == {"value": "own"}
    for namespace in ("company", "company.worker", "company.other"):
        assert secrets.delete(table.connection, namespace, "CANARY")
    assert revealed(run_one(table, worker, task)["outputs"]) == {"value": CANARY}


def test_a_secret_of_another_namespace_is_refused(table: Desk, worker: Worker) -> None:
    secrets.put(table.connection, "company.other", "THEIRS", "of another")
    result = run_one(
        table, worker, "- {id: one, type: core.debug.Return, format: \"{{ secret('THEIRS', 'company.other') }}\"}"
    )
    assert "is not allowed to read secrets of namespace 'company.other'" in result["error"]
    secrets.delete(table.connection, "company.other", "THEIRS")


def test_part_of_a_json_secret(table: Desk, worker: Worker) -> None:
    secrets.put(table.connection, "company", "PAIR", '{"user": "u1", "pass": "p4ss"}')
    task = "- {id: one, type: core.debug.Return, format: \"{{ secret('PAIR', subkey='%s') }}\"}"
    assert revealed(run_one(table, worker, task % "pass")["outputs"]) == {"value": "p4ss"}
    assert "has no part 'nope'" in run_one(table, worker, task % "nope")["error"]
    secrets.delete(table.connection, "company", "PAIR")


def test_rotation_encrypts_everything_anew_and_the_old_key_may_go(table: Desk, worker: Worker) -> None:
    from django.conf import settings
    from django.core.management import call_command
    from django.core.management.base import CommandError

    old, new = (b"o" * 32,), (b"n" * 32,)
    settings.CELESTA = replace(settings.CELESTA, encryption_keys=old)
    secrets.put(table.connection, "company", "KEPT", "kept")
    result = run_one(table, worker, "- {id: one, type: core.debug.Return, format: \"{{ secret('KEPT') }}\"}")
    table.connection.execute(
        "INSERT INTO payloads (execution_id, value) VALUES (gen_random_uuid(), %s)", [dumps(result["outputs"])]
    )
    settings.CELESTA = replace(settings.CELESTA, encryption_keys=new)
    with pytest.raises(CommandError, match="KEPT"):
        call_command("rotate_encryption")
    settings.CELESTA = replace(settings.CELESTA, encryption_keys=new + old)
    call_command("rotate_encryption", "--dry-run")
    assert table.value("SELECT value->'value'->>'value' FROM payloads") == result["outputs"]["value"]["value"]
    call_command("rotate_encryption")
    settings.CELESTA = replace(settings.CELESTA, encryption_keys=new)
    assert secrets.find(table.connection, "company", "KEPT") == "kept"
    stored = table.value("SELECT value FROM payloads")
    assert revealed(stored) == {"value": "kept"}
    secrets.delete(table.connection, "company", "KEPT")


def test_without_a_key_stars_are_stored_and_no_secret_is_accepted(table: Desk, worker: Worker) -> None:
    from django.conf import settings

    settings.CELESTA = replace(settings.CELESTA, encryption_keys=())
    result = run_one(table, worker, "- {id: one, type: core.debug.Return, format: \"a {{ secret('CANARY') }}\"}")
    assert result["outputs"] == {"value": "a ********"}
    with pytest.raises(secrets.InvalidSecret, match="CELESTA_ENCRYPTION_KEY"):
        secrets.put(table.connection, "company", "X", "value")


@pytest.mark.django_db
def test_the_admin_takes_a_value_and_never_shows_it(database: str, client: Any) -> None:
    from django.contrib.auth.models import User

    from executions.models import SecretRecord

    client.force_login(User.objects.create_superuser("root"))
    form = {"namespace": "company", "key": "TYPED", "description": "d", "new_value": CANARY}
    assert client.post("/admin/executions/secretrecord/add/", form).status_code == 302
    record = SecretRecord.objects.get(key="TYPED")
    assert CANARY not in record.value and secrets.opened(record.value) == CANARY
    page = f"/admin/executions/secretrecord/{record.pk}/change/"
    for path in (page, "/admin/executions/secretrecord/"):
        answer = client.get(path)
        assert (answer.status_code, CANARY in answer.content.decode(), record.value in answer.content.decode()) == (
            200, False, False,
        )  # fmt: skip
    assert client.post(page, {**form, "new_value": "", "description": "e"}).status_code == 302
    record.refresh_from_db()
    assert (record.description, secrets.opened(record.value)) == ("e", CANARY)
    assert (
        "needs a value"
        in client.post("/admin/executions/secretrecord/add/", {**form, "key": "T2", "new_value": ""}).content.decode()
    )


def test_a_secret_input_that_a_task_gives_back_as_it_is_is_shown_but_never_stored(table: Desk, worker: Worker) -> None:
    task = "- {id: one, type: core.debug.Return, format: '{{ inputs.pass }}'}"
    result = run_one(table, worker, task, **{"pass": encrypt_input(CANARY)})
    assert CANARY not in str(result)
    assert with_given_shown(result["outputs"]) == {"value": CANARY}
    for derived in (
        task.replace("}}'", "| lower }}'"),
        task.replace("'{{", "'my {{"),
        task.replace("inputs.pass", "render(inputs.pass)"),
    ):
        found = run_one(table, worker, derived, **{"pass": encrypt_input(CANARY)})
        assert CANARY.lower() not in str(with_given_shown(found["outputs"])).lower(), derived
    handed_on = run_one(table, worker, task, **{"pass": encrypt_input(SecretStr(CANARY))})
    assert CANARY not in str(with_given_shown(handed_on["outputs"]))


def test_what_came_by_way_of_another_task_is_not_shown(table: Desk, worker: Worker) -> None:
    first = run_one(table, worker, "- {id: one, type: core.debug.Return, format: '{{ inputs.pass }}'}",
                **{"pass": encrypt_input(CANARY)})["outputs"]  # fmt: skip
    table.define(
        "- {id: one, type: core.debug.Return}\n- {id: two, type: core.debug.Return, format: '{{ outputs.one.value }}'}"
    )
    table.hand_out("two", outputs={"one": first})
    run_claimed(worker)
    found = table.result()["outputs"]
    assert revealed(found) == {"value": CANARY} and CANARY not in str(with_given_shown(found))
