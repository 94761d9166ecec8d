"""Carries out the effects of a batch in the transaction that saves it: rows are gathered, then written set-based."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from executions import store
from executions.messages import ActionAsked, SubflowEnded, TaskFinished
from executions.queue import postgres as queue
from executions.queue.postgres import Job
from executions.state import Execution
from executions.store import hex_of
from executions.transitions import effects as fx
from executor.connections import Connection
from flows.definition.states import State

Json = Any
LEVELS = {"TRACE": 0, "DEBUG": 1, "INFO": 2, "WARN": 3, "ERROR": 4}


@dataclass(slots=True)
class Outgoing:
    """Everything a batch writes beside the aggregates. Order within a list is the order of the effects."""

    messages: list[dict[str, Json]] = field(default_factory=list)
    hints: list[dict[str, Json]] = field(default_factory=list)
    jobs: list[dict[str, Json]] = field(default_factory=list)
    picky: list[tuple[str, fx.RunTask]] = field(default_factory=list)  # jobs for queues that must be served
    logs: list[dict[str, Json]] = field(default_factory=list)
    timers: list[dict[str, Json]] = field(default_factory=list)
    soonest: datetime | None = None
    stops: list[str] = field(default_factory=list)
    creates: list[Execution] = field(default_factory=list)
    kill_children: list[str] = field(default_factory=list)
    restarts: list[tuple[str, fx.RestartExecution]] = field(default_factory=list)  # by who asks
    ended: list[str] = field(default_factory=list)
    made: Any = None  # the cursor that tells of the jobs
    channels: list[str] = field(default_factory=list)  # who is to be rung after the commit

    def add(self, execution: Execution, effects: list[fx.Effect]) -> None:
        for effect in effects:
            _GATHER[type(effect)](self, execution, effect)

    def send(self, connection: Connection) -> None:
        """Write everything; fit for a pipeline."""
        if self.picky:
            self._settle_picky(connection)
        if self.kill_children:
            self._ask_children(connection)
        if self.restarts:
            self._ask_restarts(connection)
        # What was handed out in this very batch may be stopped in it too.
        self.made = queue.add_jobs(connection, self.jobs)
        stopped = queue.stop_jobs(connection, self.stops) if self.stops else (0, 0)
        queue.set_timers(connection, self.timers)
        store.write_logs(connection, self.logs)
        queue.purge(connection, self.ended)
        queue.publish_all(connection, [*self.messages, *self.hints])
        store.create(connection, self.creates)
        self._note_channels(stopped)

    def made_jobs(self) -> list[Job]:
        """For brokers that must be rung by themselves."""
        return queue.read_jobs(self.made) if self.made is not None else []

    def _note_channels(self, stopped: tuple[int, int]) -> None:
        self.channels = channels = [queue.STREAM]
        if self.jobs:
            channels.append(queue.JOBS)
        if self.messages or self.creates or stopped[0]:
            channels.append(queue.WORK)
        if stopped[1]:
            channels.append(queue.KILL)
        if self.soonest is not None:
            channels.append(queue.TIMERS)

    def _settle_picky(self, connection: Connection) -> None:
        served = queue.served_queues(connection)
        for execution_id, task in self.picky:
            if task.queue in served:
                self.jobs.append(_job(execution_id, task))
                continue
            state = State.CANCELLED if task.fallback == "CANCEL" else State.FAILED
            error = f"No worker serves the group `{task.queue}`"
            report = TaskFinished(task.task_run_id, task.token, state.value, error=error)
            self.messages.append(queue.work(execution_id, report))

    def _ask_children(self, connection: Connection) -> None:
        """Those that are there, and those that this very batch makes."""
        killed = set(self.kill_children)
        born = [child.id for child in self.creates if store.starter_of(child) in killed]
        for child_id in [*store.live_children(connection, self.kill_children), *born]:
            self.messages.append(queue.work(child_id, ActionAsked("kill")))

    def _ask_restarts(self, connection: Connection) -> None:
        """A child that was deleted cannot be restarted: its parent must not wait for it for ever."""
        there = store.existing(connection, [effect.execution_id for _, effect in self.restarts])
        for parent_id, effect in self.restarts:
            if effect.execution_id in there:
                asked = ActionAsked("restart", effect.parent_task_run)
                self.messages.append(queue.work(effect.execution_id, asked))
                continue
            reason = f"Execution {effect.execution_id} does not exist any more, it cannot be restarted"
            told = tell_parent_of_failed(
                {**effect.parent_task_run, "executionId": parent_id}, effect.execution_id, reason
            )
            self.messages.extend([told] if told is not None else [])


def _job(execution_id: str, task: fx.RunTask) -> dict[str, Json]:
    payload: dict[str, Json] = {
        "task_run_id": task.task_run_id,
        "token": task.token,
        "task_type": task.task_type,
        "context": task.context,
    }
    if task.timeout_ms is not None:
        payload["timeout_ms"] = task.timeout_ms
    return {
        "queue": task.queue,
        "execution_id": hex_of(execution_id),
        "task_run_id": hex_of(task.task_run_id),
        "token": hex_of(task.token),
        "task_type": task.task_type,
        "light": task.light,
        "payload": payload,
    }


def _run_task(out: Outgoing, execution: Execution, effect: fx.RunTask) -> None:
    if effect.fallback == "WAIT":
        out.jobs.append(_job(execution.id, effect))
    else:
        out.picky.append((execution.id, effect))


def _stop_tasks(out: Outgoing, execution: Execution, effect: fx.StopTasks) -> None:
    out.stops.extend(effect.task_run_ids)


def _copy(out: Outgoing, execution: Execution, effect: fx.CopyExecution) -> None:
    out.creates.append(effect.execution)


def _restart(out: Outgoing, execution: Execution, effect: fx.RestartExecution) -> None:
    out.restarts.append((execution.id, effect))


def _kill_children(out: Outgoing, execution: Execution, effect: fx.KillChildren) -> None:
    out.kill_children.append(execution.id)


def _wake_at(out: Outgoing, execution: Execution, effect: fx.WakeAt) -> None:
    out.timers.append(
        {
            "execution_id": hex_of(execution.id),
            "kind": effect.kind,
            "key": effect.key,
            "due": effect.date,
            "variables": effect.variables,
        }
    )
    out.soonest = effect.date if out.soonest is None else min(out.soonest, effect.date)


def _tell_parent(out: Outgoing, execution: Execution, effect: fx.TellParent) -> None:
    message = SubflowEnded(
        task_run_id=effect.task_run_id,
        token=effect.token,
        child_id=effect.child_id,
        state=effect.state,
        outputs=effect.outputs,
        error=effect.error,
        iteration=effect.iteration,
    )
    out.messages.append(queue.work(effect.parent_execution_id, message))


def _write_log(out: Outgoing, execution: Execution, effect: fx.WriteLog) -> None:
    out.logs.append(
        {
            "execution_id": hex_of(execution.id),
            "namespace": execution.namespace,
            "flow_id": execution.flow_id,
            "task_id": effect.task_id,
            "task_run_id": None if effect.task_run_id is None else hex_of(effect.task_run_id),
            "attempt": effect.attempt,
            "level": LEVELS.get(effect.level, 2),
            "message": effect.message,
            "timestamp": effect.date,
        }
    )


def _answered(out: Outgoing, execution: Execution, effect: fx.Effect) -> None:
    """Settled while the batch was handled (slots, started executions), or of interest to readers of states only."""


def tell_parent_of_failed(
    parent_task_run: dict[str, Json] | None, child_id: str, reason: str
) -> dict[str, Json] | None:
    """For an execution that was ended without the engine: its waiting parent must not wait for ever."""
    if not parent_task_run or not parent_task_run.get("wait", True):
        return None
    message = SubflowEnded(
        task_run_id=parent_task_run.get("taskRunId", ""),
        token=parent_task_run.get("token", ""),
        child_id=child_id,
        state=State.FAILED.value,
        error=reason,
        iteration=parent_task_run.get("iteration"),
    )
    return queue.work(parent_task_run["executionId"], message)


_GATHER: dict[type, Any] = {
    fx.RunTask: _run_task,
    fx.StopTasks: _stop_tasks,
    fx.StartExecution: _answered,
    fx.CopyExecution: _copy,
    fx.RestartExecution: _restart,
    fx.KillChildren: _kill_children,
    fx.WakeAt: _wake_at,
    fx.TellParent: _tell_parent,
    fx.WriteLog: _write_log,
    fx.AcquireSlot: _answered,
    fx.ReleaseSlot: _answered,
    fx.StateChanged: _answered,
}
