"""`executions.actions.trigger()` inside the caller's own transactions: executions = committed transactions, exactly."""

import random
import subprocess
import sys
import time

from tests.plant import ROOT, Plant, settled_faults, size

FLOW = """
id: called
namespace: company.team
inputs: [{id: number, type: INT}]
tasks:
  - {id: one, type: core.debug.Return, format: "{{ inputs.number }}"}
"""
# An application: each transaction writes a row of its own and starts an execution; half of them roll back.
CALLER = """
import random, sys
import django
django.setup()
from django.db import connection, transaction
from executions import actions

chance = random.Random(int(sys.argv[1]))
for number in range(int(sys.argv[2])):
    print(number, flush=True)
    fate = chance.choice(["commit", "commit", "roll back", "inner"])
    try:
        with transaction.atomic():
            for _ in range(chance.choice([1, 1, 3])):
                try:
                    with transaction.atomic():
                        made = actions.trigger("company.team", "called", {"number": number})
                        with connection.cursor() as cursor:
                            cursor.execute("INSERT INTO ledger VALUES (%s, %s)", [made.id, number])
                        if fate == "inner":
                            raise KeyError
                except KeyError:
                    pass
            if fate == "roll back":
                raise ValueError
    except ValueError:
        pass
"""


def test_executions_are_exactly_the_committed_transactions_whoever_is_killed(plant: Plant) -> None:
    plant.define(FLOW)
    plant.connection.execute("CREATE TABLE ledger (execution_id text, number int)")
    plant.executor().wait_until_ready()
    plant.worker().wait_until_ready()
    chance, called, kills, wanted = random.Random(5), 0, 0, size(600, 10_000)
    while called < wanted:
        is_killed = kills < size(6, 40)
        begun = chance.randint(1, max(wanted // size(12, 80), 1)) if is_killed else 1
        caller = subprocess.Popen(
            [sys.executable, "-c", CALLER, str(called), str(wanted - called)],
            env=plant.environment, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert caller.stdout is not None and caller.stderr is not None
        numbers = [line for _ in range(begun) if (line := caller.stdout.readline())]
        if is_killed and numbers:
            time.sleep(chance.uniform(0, 0.02))  # somewhere in the transaction of a random number
            kills += caller.poll() is None
            caller.kill()
        rest, errors = caller.communicate()
        assert caller.returncode in (0, -9), errors
        called += len(numbers) + len(rest.splitlines())
    assert kills > 2, "the fault must have happened"
    plant.wait_until_ended(size(60, 300))
    from executions.ids import to_base62

    made = sorted(to_base62(row[0]) for row in plant.rows("SELECT id FROM executions"))
    committed = sorted(row[0] for row in plant.rows("SELECT execution_id FROM ledger"))
    assert made == committed and called / 4 < len(made)
    assert settled_faults(plant, runs=1) == []
    assert plant.rows("SELECT DISTINCT state FROM executions") == [("SUCCESS",)]
    wrong = plant.value(
        "SELECT count(*) FROM ledger l JOIN task_runs t ON true JOIN executions e ON e.id = t.execution_id"
        " WHERE e.inputs->>'number' <> t.outputs->>'value' AND l.number = (e.inputs->>'number')::int"
    )
    assert wrong == 0
