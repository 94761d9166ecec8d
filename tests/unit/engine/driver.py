"""Runs executions through the real engine without any outside: jobs are answered here, timers by a clock of its own."""

import itertools
from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

from executions.messages import (
    ExecutionChanged,
    ExecutionCreated,
    Message,
    SlotGranted,
    SubflowEnded,
    SubflowStarted,
    TaskFinished,
    TimerFired,
    iso,
)
from executions.state import Execution, TaskRun
from executions.transitions import effects as fx
from executions.transitions.advance import advance
from executions.transitions.outputs import scope_from_context
from flows.definition.model import Flow
from flows.definition.parse import parse_flow
from flows.definition.states import State
from flows.definition.yaml_text import to_yaml
from flows.expressions.errors import Call, NeedsResolve
from flows.expressions.render import ExpressionError, render_value
from flows.tasks.base import RunnableTask, TaskFailure

START = datetime(2024, 11, 24, 12, 0, tzinfo=UTC)
Answer = Callable[["Driver", fx.RunTask], TaskFinished]


class PureServices:
    variables: Mapping[str, Any] = {}

    def __init__(self, now: datetime) -> None:
        self._now = now

    def now(self) -> datetime:
        return self._now

    def timezone(self) -> str:
        return "UTC"

    def random(self) -> Random:
        return Random(1)

    def call(self, name: str, arguments: dict[str, object]) -> object:
        raise NeedsResolve(Call(name, str(sorted(arguments.items()))))


class JobContext:
    """The part of RunContext that tasks without I/O use."""

    def __init__(self, context: dict[str, Any], now: datetime) -> None:
        self.context = context
        self.scope = scope_from_context(context, self._missing)
        self.services = PureServices(now)
        self.execution_id = context["execution"]["id"]
        self.namespace, self.flow_id = context["flow"]["namespace"], context["flow"]["id"]
        self.task_run_id = context["taskrun"]["id"]
        self.logs: list[tuple[str, str]] = []

    def _missing(self, kind: str, name: str) -> object:
        raise ExpressionError(f"{kind}.{name} was left out of the job")

    def render(self, value: Any, extra: Mapping[str, Any] | None = None) -> Any:
        return render_value(value, self._with(extra), self.services)

    def render_typed(self, value: Any, extra: Mapping[str, Any] | None = None) -> Any:
        return render_value(value, self._with(extra), self.services, typed=True)

    def _with(self, extra: Mapping[str, Any] | None) -> Any:
        return scope_from_context(self.context, self._missing, extra) if extra else self.scope

    def log(self, level: str, message: str) -> None:
        self.logs.append((level, message))

    def metric(self, name: str, value: float, kind: str = "counter", tags: Any = None) -> None: ...

    def is_killed(self) -> bool:
        return False


def run_for_real(driver: "Driver", job: fx.RunTask) -> TaskFinished:
    """The task's own `run`, with its expressions."""
    task = driver.flow.task_index[job.context["taskrun"]["taskId"]].task
    assert isinstance(task, RunnableTask)
    try:
        outputs = task.run(JobContext(job.context, driver.now))
    except TaskFailure as failure:
        return driver.report(job, failure.state, failure.outputs, failure.message)
    except ExpressionError as error:
        return driver.report(job, State.FAILED, None, str(error))
    return driver.report(job, State.SUCCESS, outputs)


@dataclass
class Driver:
    """One execution; `step` gives messages to the engine, `run` answers everything until nothing is open."""

    flow: Flow
    inputs: dict[str, Any] = field(default_factory=dict)
    answer: Answer = run_for_real
    labels: list[dict[str, str]] = field(default_factory=list)
    now: datetime = START
    jobs: list[fx.RunTask] = field(default_factory=list)
    timers: dict[tuple[str, str], datetime] = field(default_factory=dict)
    effects: list[fx.Effect] = field(default_factory=list)
    dropped: list[str] = field(default_factory=list)
    started: list[fx.StartExecution] = field(default_factory=list)
    ended: bool = False
    missing_flows: frozenset[str] = frozenset()
    child_state: State = State.SUCCESS
    answers: dict[Call, object] = field(default_factory=dict)
    resolve: Callable[[Call], object] | None = None  # what the outside answers
    slot: bool | None = None

    def __post_init__(self) -> None:
        self.ids = (f"{n:022d}" for n in itertools.count(1))
        self.execution = Execution(
            id=next(self.ids),
            namespace=self.flow.namespace,
            flow_id=self.flow.id,
            flow_revision=self.flow.revision,
            state=State.CREATED,
            histories=[(State.CREATED, self.now)],
            inputs=self.inputs,
            labels=self.labels,
        )

    def step(self, *messages: Message) -> fx.Step:
        self.now += timedelta(milliseconds=1)
        step = self._advance(messages)
        while step.resolve is not None:
            assert self.resolve is not None, step.resolve
            self.answers.update({call: self.resolve(call) for call in step.resolve.calls})
            step = self._advance(messages)
        self.effects.extend(step.effects)
        self.dropped.extend(step.dropped)
        self.ended = step.ended
        for effect in step.effects:
            self._take(effect)
        return step

    def _advance(self, messages: Sequence[Message]) -> fx.Step:
        # A step that asks leaves a half changed aggregate behind: only a copy may be lost.
        tried = self.execution if self.resolve is None else deepcopy(self.execution)
        ids, services = lambda: next(self.ids), PureServices(self.now)
        step = advance(self.flow, tried, messages, self.now, ids, services, self.answers)
        if step.resolve is None:
            self.execution = tried
        return step

    def _take(self, effect: fx.Effect) -> None:
        if isinstance(effect, fx.RunTask):
            self.jobs.append(effect)
        elif isinstance(effect, fx.WakeAt):
            self.timers[effect.kind, effect.key] = effect.date
        elif isinstance(effect, fx.AcquireSlot) and self.slot:
            self.step(SlotGranted())
        elif isinstance(effect, fx.StartExecution):
            self._start(effect)
        elif isinstance(effect, fx.RestartExecution):
            waiting = effect.parent_task_run
            again = fx.StartExecution(effect.execution_id, "n", "", parent_task_run=waiting)
            self.started.append(replace(again, iteration=waiting.get("iteration")))

    def _start(self, order: fx.StartExecution) -> None:
        parent = order.parent_task_run
        assert parent is not None
        error = f"Unable to find flow {order.flow_id}" if order.flow_id in self.missing_flows else None
        if error is None:
            self.started.append(order)
        place = (order.namespace, order.flow_id)
        self.step(
            SubflowStarted(parent["taskRunId"], parent["token"], order.execution_id, error, order.iteration, *place)
        )

    def start(self) -> "Driver":
        self.step(ExecutionCreated())
        return self

    def changed(self, action: str = "") -> fx.Step:
        return self.step(ExecutionChanged(action))

    def report(
        self,
        job: fx.RunTask,
        state: State = State.SUCCESS,
        outputs: dict[str, Any] | None = None,
        error: str | None = None,
    ) -> TaskFinished:
        date = iso(self.now)
        return TaskFinished(job.task_run_id, job.token, state.value, date, date, "w", outputs, None, error)

    def fire(self) -> None:
        """Let the next timer's date come."""
        (kind, key), date = min(self.timers.items(), key=lambda item: item[1])
        del self.timers[kind, key]
        self.now = max(self.now, date)
        self.step(TimerFired(kind, key))

    def run(self, limit: int = 10_000) -> "Driver":
        """To the end, answering jobs in order and letting timers fire when nothing else is to do."""
        if self.execution.version == 0 and not self.effects:
            self.start()
        for _ in range(limit):
            if self.ended or not self.work():
                return self
        raise AssertionError("the execution does not come to an end")

    def work(self) -> bool:
        """One job, child's end or timer; False when nothing is open."""
        if self.jobs:
            job = self.jobs.pop(0)
            self.step(self.answer(self, job))
        elif any((order.parent_task_run or {})["wait"] for order in self.started):
            order = next(o for o in self.started if (o.parent_task_run or {})["wait"])
            self.started.remove(order)
            self.step(self.child_end(order))
        elif self.timers:
            self.fire()
        else:
            return False
        return True

    def child_end(self, order: fx.StartExecution) -> SubflowEnded:
        parent = order.parent_task_run
        assert parent is not None
        return SubflowEnded(
            parent["taskRunId"],
            parent["token"],
            order.execution_id,
            self.child_state.value,
            {},
            None,
            order.iteration,
        )

    # --- what tests look at

    @property
    def state(self) -> State:
        return self.execution.state

    def runs(self, task_id: str | None = None) -> list[TaskRun]:
        runs = sorted(self.execution.runs.values(), key=lambda run: run.seq)
        return [run for run in runs if task_id is None or run.task_id == task_id]

    def only(self, task_id: str) -> TaskRun:
        (run,) = self.runs(task_id)
        return run

    def states(self) -> list[tuple[str, str]]:
        return [(run.task_id, run.state.value) for run in self.runs()]

    def history(self, run: TaskRun | None = None) -> list[str]:
        return [state.value for state, _ in (run.histories if run else self.execution.histories)]

    def of(self, kind: type) -> list[Any]:
        return [effect for effect in self.effects if isinstance(effect, kind)]


def drive(source: str, inputs: Mapping[str, Any] | None = None, **options: Any) -> Driver:
    """A new execution of a flow's text, not started."""
    return Driver(parse_flow(source), dict(inputs or {}), **options)


def run(source: str, inputs: Mapping[str, Any] | None = None, **options: Any) -> Driver:
    return drive(source, inputs, **options).run()


# --- flows as plain data

CORE = "io.kestra.plugin.core."
Data = dict[str, Any]


def flow(*tasks: Data, **rest: Any) -> str:
    """The text of a flow of these tasks."""
    return to_yaml({"id": "f", "namespace": "n", **rest, "tasks": list(tasks)})


def task(task_id: str, type_name: str, **more: Any) -> Data:
    return {"id": task_id, "type": CORE + type_name, **more}


def log(task_id: str, message: str = "hello", **more: Any) -> Data:
    return task(task_id, "log.Log", message=message, **more)


def value(task_id: str, template: str = "v", **more: Any) -> Data:
    return task(task_id, "debug.Return", format=template, **more)


def fail(task_id: str, **more: Any) -> Data:
    return task(task_id, "execution.Fail", **more)


def sequence(task_id: str, *tasks: Data, **more: Any) -> Data:
    return task(task_id, "flow.Sequential", tasks=list(tasks), **more)


def parallel(task_id: str, *tasks: Data, **more: Any) -> Data:
    return task(task_id, "flow.Parallel", tasks=list(tasks), **more)


def foreach(task_id: str, values: Any, *tasks: Data, **more: Any) -> Data:
    return task(task_id, "flow.ForEach", values=values, tasks=list(tasks), **more)


def names(step: fx.Step) -> Sequence[str]:
    return [type(effect).__name__ for effect in step.effects]
