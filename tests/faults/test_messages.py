"""Messages that are lost, doubled, or can never be handled."""

import os
import subprocess
import sys
import time

from executions.ids import to_uuid
from tests.plant import ROOT, Plant, eventually, settled_faults

WORK = """
id: work
namespace: company.team
tasks:
  - {id: one, type: core.debug.Return, format: "{{ execution.id }}"}
  - id: both
    type: core.flow.Parallel
    tasks:
      - {id: two, type: core.flow.Sleep, duration: PT0.05S}
      - {id: three, type: core.debug.Return, format: "{{ outputs.one.value }}"}
"""
# A function of the same name that the search path finds first.
LOSE_NOTIFICATIONS = """
DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET search_path = public, pg_catalog', current_database()); END $$;
CREATE FUNCTION public.pg_notify(text, text) RETURNS void LANGUAGE sql AS 'SELECT';
"""
DOUBLE_MESSAGES = """
CREATE FUNCTION double_it() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    INSERT INTO queues (stream, type, execution_id, body, tries, created)
    VALUES (NEW.stream, NEW.type, NEW.execution_id, NEW.body, NEW.tries, NEW.created);
    RETURN NULL;
END $$;
CREATE TRIGGER double_it AFTER INSERT ON queues FOR EACH ROW
    WHEN (NOT NEW.stream AND pg_trigger_depth() = 0) EXECUTE FUNCTION double_it();
"""


def test_with_every_notification_lost_everything_ends_by_polling(plant: Plant) -> None:
    plant.connection.execute(LOSE_NOTIFICATIONS)
    plant.define(WORK)
    plant.executor().wait_until_ready()
    plant.worker().wait_until_ready()
    plant.trigger("work", 100)
    plant.wait_until_ended(20)
    assert settled_faults(plant, runs=4) == []
    assert plant.rows("SELECT DISTINCT state FROM executions") == [("SUCCESS",)]


def test_every_message_doubled_changes_nothing(plant: Plant) -> None:
    plant.connection.execute(DOUBLE_MESSAGES)
    plant.define(WORK)
    plant.executor("--threads", "2").wait_until_ready()
    plant.worker().wait_until_ready()
    plant.trigger("work", 100)
    plant.wait_until_ended(30)
    assert settled_faults(plant, runs=4) == []
    assert plant.rows("SELECT DISTINCT state FROM executions") == [("SUCCESS",)]
    assert plant.value("SELECT count(*) FROM queues WHERE type = 'task.finished'") == 0


def poison(plant: Plant, execution_id: str, type_: str = "nonsense") -> None:
    plant.connection.execute(
        "INSERT INTO queues (stream, type, execution_id, body, tries, created) VALUES (false, %s, %s, '{}', 0, now())",
        [type_, to_uuid(execution_id)],
    )


def dead_letters(plant: Plant, *arguments: str) -> str:
    command = [sys.executable, str(ROOT / "manage.py"), "dead_letters", *arguments]
    environment = {**os.environ, **plant.environment}
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=True, cwd=ROOT).stdout


def test_a_message_that_always_raises_is_parked_and_fails_only_its_execution(plant: Plant) -> None:
    plant.define(WORK)
    executor = plant.executor().wait_until_ready()
    ids = plant.trigger("work", 30)
    for execution_id in ids[:2]:
        poison(plant, execution_id)
    plant.worker().wait_until_ready()
    began = time.monotonic()
    eventually(lambda: plant.open() <= 2, 10, lambda: f"the end of the others: {plant.left()}")
    assert time.monotonic() - began < 5, "the others do not wait for the bad ones"
    eventually(
        lambda: plant.value("SELECT count(*) FROM dead_letters") == 2, 20, lambda: f"dead letters: {plant.left()}"
    )
    plant.wait_until_ended(10)
    assert executor.popen.poll() is None
    states = dict(plant.rows("SELECT state, count(*) FROM executions GROUP BY 1"))
    # The two may have been quicker than the back-off of their bad message.
    assert sum(states.values()) == 30 and states["SUCCESS"] >= 28
    listed = dead_letters(plant)
    assert "2 dead letters" in listed and "nonsense" in listed
    assert "published 2 again" in dead_letters(plant, "--redrive", "all")
    eventually(lambda: plant.value("SELECT count(*) FROM dead_letters") == 2, 20, "their second end")
    assert "dropped 2" in dead_letters(plant, "--drop", "all")
    assert settled_faults(plant) == []


def test_the_execution_of_a_parked_message_is_failed_with_the_reason(plant: Plant) -> None:
    plant.define(WORK.replace("PT0.05S", "PT60S"))
    plant.executor().wait_until_ready()
    plant.worker().wait_until_ready()
    (execution_id,) = plant.trigger("work")
    eventually(lambda: plant.value("SELECT count(*) FROM worker_jobs WHERE claimed_by IS NOT NULL") == 1, 20)
    poison(plant, execution_id)
    plant.wait_until_ended(20)
    state, error = plant.rows("SELECT state, error FROM executions")[0]
    assert state == "FAILED" and "nonsense" in error
    dead_letters(plant, "--drop", "all")
    assert settled_faults(plant) == []


def test_an_execution_that_cannot_even_be_loaded_fails_too_and_its_message_is_driven_again(plant: Plant) -> None:
    plant.define(WORK)
    plant.trigger("work")
    source = plant.value("SELECT source FROM flows")
    plant.connection.execute("UPDATE flows SET source = '{'")
    executor = plant.executor().wait_until_ready()
    plant.worker().wait_until_ready()
    plant.wait_until_ended(20)
    state, error = plant.rows("SELECT state, error FROM executions")[0]
    assert state == "FAILED" and error.startswith("execution.created: ")
    assert "execution.created" in dead_letters(plant)
    plant.connection.execute("UPDATE flows SET source = %s", [source])
    plant.trigger("work")
    plant.wait_until_ended()
    assert plant.rows("SELECT state FROM executions ORDER BY id") == [("FAILED",), ("SUCCESS",)]
    dead_letters(plant, "--redrive", "all")
    eventually(lambda: plant.value("SELECT count(*) FROM queues WHERE NOT stream") == 0, 10)
    assert settled_faults(plant) == [], "what came too late is acknowledged"
    assert executor.popen.poll() is None
