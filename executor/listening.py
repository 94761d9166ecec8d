"""Flow triggers: hears the state changes of a batch and builds the executions that they start, in the batch's own
transaction, so that each change counts exactly once however often a handler runs."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

import psycopg

from executions import encryption, lineage, reach, triggering
from executions.expressions import SiteServices, earlier_of, place_of, site_variables
from executions.state import Execution
from executions.transitions import effects as fx
from executions.transitions.outputs import ExecutionScope
from executions.triggered import triggered
from executions.triggering import Window, WindowKey
from executor.connections import Connection
from flows import listeners
from flows.access import Role
from flows.definition.model import Flow
from flows.definition.states import State
from flows.expressions.errors import ExpressionError
from flows.expressions.render import render, render_value
from flows.listeners import Listener
from flows.triggers.base import Facts
from flows.triggers.gathering import Gathering

Json = Any


@dataclass(frozen=True, slots=True)
class Change:
    """One execution took a new state."""

    execution: Execution
    flow: Flow  # its own, as it runs
    state: State


@dataclass(slots=True)
class Started:
    executions: list[Execution] = field(default_factory=list)
    logs: list[tuple[Execution, fx.WriteLog]] = field(default_factory=list)  # for the logs of those heard


@dataclass(slots=True)
class _Call:
    """A trigger that hears a change; `matched` are the parts of its gatherings that this execution meets."""

    change: Change
    listener: Listener
    matched: list[tuple[Gathering, list[str]]]
    outputs: dict[str, Json]


def hear(connection: Connection, changes: Sequence[Change], now: datetime) -> Started:
    """Raises only what the database raises: a trigger that cannot be evaluated is told in the log of the execution."""
    started = Started()
    _stop_triggers(connection, changes, now, started)
    known = listeners.current(connection) if changes else []
    if not known:
        return started
    calls = list(_calls(connection, changes, known, now, started))
    if calls:
        off = triggering.disabled(connection)
        calls = [call for call in calls if call.listener.key not in off]
        calls = _gathered(connection, calls, now)
        calls = _within_budget(connection, calls, now, started)
    for call in calls:
        started.executions.append(_start(connection, call, now))
    triggering.fired(connection, [call.listener.key for call in calls])
    return started


def _stop_triggers(connection: Connection, changes: Sequence[Change], now: datetime, started: Started) -> None:
    """Those whose execution has ended as their `stopAfter` says."""
    stopped = []
    for change in changes:
        execution, flow = change.execution, change.flow
        name = (execution.trigger or {}).get("id") if flow.triggers and change.state.is_terminal else None
        trigger = next((one for one in flow.triggers if one.id == name), None)
        if trigger is not None and change.state in trigger.stop_after:
            stopped.append((flow.namespace, flow.id, trigger.id))
            text = f"Trigger `{trigger.id}` is switched off: its execution ended as {change.state}"
            started.logs.append((execution, fx.WriteLog("INFO", text, now)))
    triggering.stop(connection, stopped)


def changes_of(execution: Execution, flow: Flow, effects: Sequence[fx.Effect]) -> list[Change]:
    """Executions of tests and of the playground are nobody's business."""
    if execution.kind != "NORMAL":
        return []
    return [Change(execution, flow, State(one.after)) for one in effects if isinstance(one, fx.StateChanged)]


def _calls(
    connection: Connection, changes: Sequence[Change], known: Sequence[Listener], now: datetime, started: Started
) -> Iterator[_Call]:
    for change in changes:
        execution = change.execution
        for listener in known:
            is_itself = (listener.flow.namespace, listener.flow.id) == (execution.namespace, execution.flow_id)
            if is_itself or change.state not in listener.trigger.states:
                continue
            try:
                call = _heard(connection, change, listener, now)
            except psycopg.Error:
                raise
            except Exception as error:
                text = f"Trigger {_name(listener)} could not be evaluated: {error}"
                started.logs.append((execution, fx.WriteLog("WARN", text, now)))
                continue
            if call is not None and _may_hear(connection, call, started, now):
                yield call


def _heard(connection: Connection, change: Change, listener: Listener, now: datetime) -> _Call | None:
    facts = _facts(connection, change, listener, now)
    if not listener.trigger.hears(facts):
        return None
    matched = [(one, one.matched(facts)) for one in listener.trigger.gatherings()]
    if matched and not any(parts for _, parts in matched):
        return None
    return _Call(change, listener, matched, dict(change.execution.outputs or {}))


def _may_hear(connection: Connection, call: _Call, started: Started, now: datetime) -> bool:
    """Who listens learns that the execution is there, and its outputs."""
    execution = call.change.execution
    if reach.is_open(connection, call.listener.flow.namespace, execution.namespace, Role.VIEWER):
        return True
    text = (
        f"Trigger {_name(call.listener)} was not fired: not everybody who may write flows in its namespace"
        " has the role viewer here"
    )
    started.logs.append((execution, fx.WriteLog("WARN", text, now)))
    return False


def _facts(connection: Connection, change: Change, listener: Listener, now: datetime) -> Facts:
    execution = change.execution
    view = _View(connection, change, listener, execution.outputs or {})
    return Facts(
        render=view.text,
        now=now,
        namespace=execution.namespace,
        flow_id=execution.flow_id,
        state=change.state,
        labels=execution.labels,
        outputs=execution.outputs or {},
        attempt_states=[attempt.state for run in execution.runs.values() for attempt in run.attempts],
    )


def _gathered(connection: Connection, calls: Sequence[_Call], now: datetime) -> list[_Call]:
    """Those whose trigger has all it waits for, one after the other: each sees what the ones before have met."""
    keys = [key for call in calls for key in _window_keys(call)]
    if not keys:
        return list(calls)
    windows = triggering.lock_windows(connection, keys)
    complete = [call for call in calls if _completes(call, windows, now)]
    triggering.save_windows(connection, windows)
    return complete


def _window_keys(call: _Call) -> list[WindowKey]:
    return [(*call.listener.key, gathering.id) for gathering, _ in call.matched]


def _completes(call: _Call, windows: Mapping[WindowKey, Window], now: datetime) -> bool:
    complete = True
    for (gathering, parts), key in zip(call.matched, _window_keys(call), strict=True):
        window = windows[key]
        met = gathering.with_matched(window.met, parts, now)
        if met is None:
            return False
        if not any(name in met for name in window.met):
            window.outputs = {}  # the window before has passed
        window.met = met
        if parts:
            window.outputs = {**window.outputs, **(call.change.execution.outputs or {})}
        complete = complete and gathering.is_complete(met)
    if complete:
        for (gathering, _), key in zip(call.matched, _window_keys(call), strict=True):
            call.outputs = {**windows[key].outputs, **call.outputs}
            if gathering.reset_on_success:
                windows[key].met, windows[key].outputs = {}, {}
    return complete


def _within_budget(connection: Connection, calls: Sequence[_Call], now: datetime, started: Started) -> list[_Call]:
    """A chain that is too deep or has started too much ends here, with the reason in the log of its last execution."""
    shallow = [call for call in calls if not _refused(call, _too_deep(call), now, started)]
    spent = lineage.spend(connection, [call.change.execution for call in shallow])
    return [call for call, reason in zip(shallow, spent, strict=True) if not _refused(call, reason, now, started)]


def _too_deep(call: _Call) -> lineage.Exhausted | None:
    try:
        lineage.check_depth(call.change.execution)
    except lineage.Exhausted as exhausted:
        return exhausted
    return None


def _refused(call: _Call, reason: lineage.Exhausted | None, now: datetime, started: Started) -> bool:
    if reason is not None:
        text = f"Trigger {_name(call.listener)} was not fired. {reason}"
        started.logs.append((call.change.execution, fx.WriteLog("ERROR", text, now)))
    return reason is not None


def _start(connection: Connection, call: _Call, now: datetime) -> Execution:
    view = _View(connection, call.change, call.listener, call.outputs)
    return triggered(
        call.listener.flow,
        call.listener.trigger,
        view.trigger,
        view.value,
        now,
        starter=call.change.execution,
        connection=connection,
    )


class _Services(SiteServices):
    """Asked while a batch holds its locks: only what the database and the storage answer at once."""

    def call(self, name: str, arguments: dict[str, object]) -> object:
        if name == "http":
            raise ExpressionError(
                "The function 'http' is not available in the conditions and inputs of a flow trigger."
            )
        return super().call(name, arguments)


class _View:
    """Templates of a trigger, in the scope of the execution heard, with the flow and variables of the one that listens."""

    def __init__(self, connection: Connection, change: Change, listener: Listener, outputs: Mapping[str, Json]) -> None:
        execution, flow = change.execution, listener.flow
        self.trigger = {
            "executionId": execution.id,
            "namespace": execution.namespace,
            "flowId": execution.flow_id,
            "flowRevision": execution.flow_revision,
            "state": change.state.value,
        }
        if outputs:
            self.trigger["outputs"] = dict(outputs)
        if execution.trigger is not None and "outputs" in (execution.trigger.get("variables") or {}):
            execution = _without_heard_outputs(execution)
        place = place_of(execution.namespace, execution.flow_id, execution.id, None, earlier_of(execution))
        self._services = _Services(lambda: nullcontext(connection), place)
        own = {"id": flow.id, "namespace": flow.namespace, "revision": flow.revision}
        extra = {
            **site_variables(),
            "flow": own,
            "vars": flow.variables,
            "trigger": encryption.revealed(self.trigger),
            "inputs": encryption.revealed(execution.inputs),
        }
        self._scope = ExecutionScope(change.flow, execution, None, extra, self._services.call)

    def text(self, template: str) -> str:
        return render(template, self._scope, self._services)

    def value(self, value: Json) -> Json:
        return render_value(value, self._scope, self._services, typed=True)


def _without_heard_outputs(execution: Execution) -> Execution:
    """An execution that was itself started by a flow's end: the outputs that it heard of are not its own."""
    trigger = execution.trigger or {}
    variables = {name: value for name, value in trigger["variables"].items() if name != "outputs"}
    return replace(execution, trigger={**trigger, "variables": variables})


def _name(listener: Listener) -> str:
    return f"`{listener.trigger.id}` of {listener.flow.namespace}.{listener.flow.id}"
