"""What one batch writes beside the aggregates: orders of the same batch see each other."""

from typing import Any

from executions import store
from executions.ids import new_id
from executions.state import Execution
from executions.transitions import effects as fx
from executor.perform import Outgoing
from tests.builders import an_execution


def child_of(parent: Execution) -> Execution:
    return an_execution(parent_task_run={"executionId": parent.id, "taskRunId": new_id(), "token": new_id()})


def asked(connection: Any) -> list[tuple[str, str]]:
    rows = connection.execute("SELECT execution_id, body FROM queues WHERE type = 'execution.asked' ORDER BY id")
    return [(store.base62_of(str(id_)), body["action"]) for id_, body in rows.fetchall()]


def test_a_kill_reaches_children_that_were_there_and_those_of_the_same_batch(connection: Any) -> None:
    parent = an_execution()
    old, new, stranger = child_of(parent), child_of(parent), an_execution()
    store.create(connection, [parent, old])
    out = Outgoing(creates=[new, stranger])
    out.add(parent, [fx.KillChildren()])
    out.send(connection)
    assert sorted(asked(connection)) == sorted([(old.id, "kill"), (new.id, "kill")])


def test_a_task_handed_out_and_stopped_in_one_batch_ends_as_killed(connection: Any) -> None:
    execution, run_id, token = an_execution(), new_id(), new_id()
    store.create(connection, [execution])
    out = Outgoing()
    out.add(execution, [fx.StopTasks((run_id,)), fx.RunTask(run_id, token, "t", "default", True, {})])
    out.send(connection)
    assert connection.execute("SELECT count(*) FROM worker_jobs").fetchone() == (0,)
    row = connection.execute("SELECT body FROM queues WHERE type = 'task.finished'").fetchone()
    assert row is not None and (row[0]["token"], row[0]["state"]) == (token, "KILLED")


def test_a_restart_of_a_child_that_is_gone_is_told_as_a_failure(connection: Any) -> None:
    parent = an_execution()
    there, gone = child_of(parent), new_id()
    store.create(connection, [parent, there])
    waiting = {"taskRunId": new_id(), "token": new_id(), "wait": True, "iteration": 3}
    out = Outgoing()
    out.add(parent, [fx.RestartExecution(there.id, waiting), fx.RestartExecution(gone, waiting)])
    out.send(connection)
    assert asked(connection) == [(there.id, "restart")]
    row = connection.execute("SELECT execution_id, body FROM queues WHERE type = 'subflow.ended'").fetchone()
    assert row is not None and store.base62_of(str(row[0])) == parent.id
    assert (row[1]["state"], row[1]["iteration"], row[1]["child_id"]) == ("FAILED", 3, gone)
