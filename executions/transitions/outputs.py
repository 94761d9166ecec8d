"""An execution as its templates see it (`outputs`, `inputs`, `taskrun`, `parents`, …), here and in the job of a worker."""

from collections.abc import Callable, Iterable, Mapping
from functools import cache
from typing import Any

from executions.messages import iso
from executions.state import Execution, TaskRun
from flows.definition.model import Flow
from flows.expressions.render import UNDEFINED, LazyMap

Json = Any
Fetch = Callable[[str, dict[str, object]], object]
# Parts of a job's context that are no variables by themselves.
_HIDDEN = frozenset({"fetch", "variables", "path"})
# What a job carries at most: larger values, and the runs of longer loops, are read by the worker when touched.
MAX_VALUE = 8_000
MAX_RUNS = 64
_PARENT_NAMES = frozenset({"parent", "parents"})
# In a run's memory: variables that it gives to all below it. Outputs of tasks below are then this run's own.
VARIABLES = "variables"
# In an execution's memory, once a task has changed `vars`: what the variables were before.
VARS = "vars"


class ExecutionScope:
    """The variables of a rendering in the executor, looked up lazily (flows.expressions Scope).

    `fetch` answers for values too large to be at hand: fetch("payload", {"id": …})."""

    def __init__(
        self,
        flow: Flow,
        execution: Execution,
        run: TaskRun | None = None,
        extra: Mapping[str, Json] | None = None,
        fetch: Fetch | None = None,
    ) -> None:
        self.flow, self.execution, self.run, self.extra, self.fetch = flow, execution, run, extra or {}, fetch
        self.above = {} if run is None else variables_above(execution, run)

    def lookup(self, name: str) -> object:
        root = _ROOTS.get(name)
        if root is not None:
            value = root(self)
            if name in self.extra and value is UNDEFINED:
                return self.extra[name]
            return {**value, **self.extra[name]} if name in self.extra and isinstance(value, dict) else value
        if name in self.extra:
            return self.extra[name]
        if name in self.above:
            return self.above[name]
        return self.execution.variables.get(name, UNDEFINED)

    def names(self) -> Iterable[str]:
        known = {name: None for name, root in _ROOTS.items() if root(self) is not UNDEFINED}
        return {**known, **dict.fromkeys([*self.extra, *self.above, *self.execution.variables])}


def job_context(flow: Flow, execution: Execution, run: TaskRun) -> dict[str, Json]:
    """The variables that a job's templates name, as JSON; what is left out for its size is named in `fetch`."""
    scope = ExecutionScope(flow, execution, run)
    names = flow.references_of(run.task_id, deep=True)
    context: dict[str, Json] = {
        "flow": _flow(scope),
        "execution": _execution(scope),
        "task": _task(scope),
        "taskrun": {**_taskrun(run), "taskId": run.task_id},
        "variables": {**execution.variables, **scope.above},
    }
    if path := value_path(execution, run):
        context["path"] = path
    fetch: dict[str, list[str]] = {}
    wanted = None if names.everything else names.inputs
    context["inputs"] = _small(execution.inputs, wanted, fetch.setdefault("inputs", []))
    tasks = list(execution.by_task) if names.everything else [n for n in names.outputs if n in execution.by_task]
    context["outputs"] = _job_outputs(scope, tasks, fetch.setdefault("outputs", []))
    if names.everything or names.roots & _PARENT_NAMES:
        context["parents"] = _parents(scope)
    for name in ("labels", "trigger"):
        if (names.everything or name in names.roots) and (value := _ROOTS[name](scope)) is not UNDEFINED:
            context[name] = plain(value)
    if names.everything or "tasks" in names.roots:
        context["tasks"] = _job_states(scope, fetch.setdefault("tasks", []))
    if names.everything or "vars" in names.roots:
        context["vars"] = _vars(scope)
    context["fetch"] = {name: left_out for name, left_out in fetch.items() if left_out}
    return context


class ContextScope:
    """The variables of a rendering in the worker: a job's context, the rest by `fetch(kind, name)`."""

    def __init__(
        self,
        context: Mapping[str, Json],
        fetch: Callable[[str, str], object],
        extra: Mapping[str, Json] | None = None,
    ) -> None:
        self.context, self.fetch, self.extra = context, fetch, extra or {}
        self.left_out: Mapping[str, list[str]] = context.get("fetch") or {}

    def lookup(self, name: str) -> object:
        if name in self.extra:
            return self.extra[name]
        if name in self.left_out:
            return self._completed(name)
        if name in ("inputs", "outputs"):
            return self.context.get(name) or {}
        if name == "parent":
            return next(iter(self.context.get("parents") or []), UNDEFINED)
        if name in self.context and name not in _HIDDEN:
            return self.context[name]
        return (self.context.get("variables") or {}).get(name, UNDEFINED)

    def names(self) -> Iterable[str]:
        own = [name for name in self.context if name not in _HIDDEN]
        return {
            **dict.fromkeys(own),
            **dict.fromkeys(self.context.get("variables") or {}),
            **dict.fromkeys(self.extra),
        }

    def _completed(self, kind: str) -> object:
        carried = self.context.get(kind) or {}
        left_out = self.left_out[kind]

        def value(name: str) -> object:
            if name not in left_out:
                return carried.get(name, UNDEFINED)
            return _merged(carried.get(name), lambda: self.fetch(kind, name))

        return LazyMap(value, lambda: dict.fromkeys([*carried, *left_out]))


def scope_from_context(
    context: Mapping[str, Json],
    fetch: Callable[[str, str], object],
    extra: Mapping[str, Json] | None = None,
) -> ContextScope:
    return ContextScope(context, fetch, extra)


def outputs_of_task(
    flow: Flow, execution: Execution, task_id: str, fetch: Fetch | None = None, run: TaskRun | None = None
) -> object:
    """What `outputs.<task id>` is for a run: outputs, or maps of them by the values of the loops around, or UNDEFINED."""
    return _Outputs(flow, execution, run, fetch).of(task_id)


def states_of_task(execution: Execution, task_id: str, values: Iterable[str] | None = None) -> object:
    """What `tasks.<task id>` is: the state, or maps of it by (these) values of the loop around it, or UNDEFINED."""
    by_value = execution.by_task.get(task_id)
    if by_value is None:
        return UNDEFINED
    if None in by_value:
        return {"state": execution.runs[by_value[None][-1]].state.value}
    wanted = by_value if values is None else [value for value in values if value in by_value]
    return {str(value): {"state": execution.runs[by_value[value][-1]].state.value} for value in wanted}


def outputs_of_run(run: TaskRun, fetch: Fetch | None) -> object:
    if run.outputs_ref is not None:
        return UNDEFINED if fetch is None else fetch("payload", {"id": run.outputs_ref})
    return UNDEFINED if run.outputs is None else run.outputs


def lineage(execution: Execution, run: TaskRun) -> list[TaskRun]:
    """The run and those above it, the outermost first."""
    return [run, *execution.ancestors(run)][::-1]


def variables_above(execution: Execution, run: TaskRun) -> dict[str, Json]:
    """What runs above have given to all below them; the nearest speaks last."""
    found: dict[str, Json] = {}
    for one in lineage(execution, run):
        found.update(one.memory.get(VARIABLES, ()))
    return found


def value_path(execution: Execution, run: TaskRun) -> list[str]:
    """The values of the loops around a run, the outermost first, its own last; not of those that are scopes."""
    runs = lineage(execution, run)
    return [one.value for one in runs if one.value is not None and VARIABLES not in one.memory]


def plain(value: object) -> Json:
    """Lazy maps as dicts."""
    if isinstance(value, LazyMap):
        return {key: plain(value[key]) for key in value}
    return value


class _Outputs:
    """Finds outputs by walking down the tree of task runs by places: O(depth) per lookup, whatever the loop's length."""

    def __init__(self, flow: Flow, execution: Execution, run: TaskRun | None, fetch: Fetch | None) -> None:
        self.flow, self.execution, self.fetch = flow, execution, fetch
        around = [] if run is None else lineage(execution, run)
        # Inside such a run, outputs of its tasks are its own: nobody has to name its value.
        self.scopes = {one.task_id: one.value for one in around if VARIABLES in one.memory}

    def everything(self) -> LazyMap:
        return LazyMap(self.of, self._names)

    def of(self, task_id: str) -> object:
        if task_id not in self.execution.by_task:
            return UNDEFINED
        chain = self._chain(task_id)
        return self._below(chain, ())

    def _names(self) -> Iterable[str]:
        return [task_id for task_id in self.execution.by_task if self.of(task_id) is not UNDEFINED]

    def _chain(self, task_id: str) -> list[str]:
        """The tasks from the outermost one down to this."""
        chain = [task_id]
        place = self.flow.task_index.get(task_id)
        while place is not None and place.parent_id is not None:
            chain.append(place.parent_id)
            place = self.flow.task_index.get(place.parent_id)
        return chain[::-1]

    def _below(self, chain: list[str], path: tuple[str, ...]) -> object:
        """The outputs at the end of a path of values, or the map of the next values."""
        parent, rest = None, list(path)
        run: TaskRun | None = None
        for task_id in chain:
            value = None
            if task_id in self.scopes:
                value = self.scopes[task_id]
            elif self._has_values(task_id):
                if not rest:
                    return self._by_value(chain, path, parent, task_id)
                value = rest.pop(0)
            run = self.execution.at(parent, task_id, value)
            if run is None:
                return self._latest(chain[-1]) if not path else UNDEFINED
            parent = run.id
        return UNDEFINED if run is None else outputs_of_run(run, self.fetch)

    def _by_value(self, chain: list[str], path: tuple[str, ...], parent: str | None, task_id: str) -> object:
        def values() -> Iterable[str]:
            runs = self.execution.children(parent)
            found = dict.fromkeys(run.value for run in runs if run.task_id == task_id and run.value is not None)
            return [value for value in found if self._below(chain, (*path, value)) is not UNDEFINED]

        return LazyMap(lambda value: self._below(chain, (*path, value)), values)

    def _has_values(self, task_id: str) -> bool:
        known = self.execution.by_task.get(task_id)
        return known is not None and (len(known) > 1 or None not in known)

    def _latest(self, task_id: str) -> object:
        """Of a task that does not stand in the flow (runs that a task made itself)."""
        ids = [run_id for runs in self.execution.by_task[task_id].values() for run_id in runs]
        latest = max((self.execution.runs[run_id] for run_id in ids), key=lambda run: run.seq)
        return outputs_of_run(latest, self.fetch)


# --- the roots of a template's names


def _flow(scope: ExecutionScope) -> dict[str, Json]:
    flow = scope.flow
    return {
        "id": flow.id,
        "namespace": flow.namespace,
        "revision": scope.execution.flow_revision,
        "tenantId": "main",
    }


def _execution(scope: ExecutionScope) -> dict[str, Json]:
    execution = scope.execution
    root: dict[str, Json] = {
        "id": execution.id,
        "startDate": iso(execution.start_date),
        "originalId": execution.original_id or execution.id,
        "state": execution.state.value,
    }
    if execution.parent_id is not None:
        root["parentId"] = execution.parent_id
    if execution.outputs is not None:
        root["outputs"] = execution.outputs
    return root


def _task(scope: ExecutionScope) -> object:
    place = None if scope.run is None else scope.flow.task_index.get(scope.run.task_id)
    return UNDEFINED if place is None else {"id": place.task.id, "type": place.task.type}


def _taskrun(run: TaskRun) -> dict[str, Json]:
    root: dict[str, Json] = {
        "id": run.id,
        "startDate": iso(run.histories[0][1]),
        # Tries before this one, as Kestra counts them.
        "attemptsCount": sum(attempt.state.is_terminal for attempt in run.attempts),
    }
    if run.parent_id is not None:
        root["parentId"] = run.parent_id
    if run.value is not None:
        root["value"] = run.value
    if run.iteration is not None:
        root["iteration"] = run.iteration
    return root


def _parents(scope: ExecutionScope) -> list[Json]:
    """Nearest first; ancestors with neither value nor outputs are left out (RunVariables, trap 29)."""
    if scope.run is None:
        return []
    found = []
    for ancestor in scope.execution.ancestors(scope.run):
        entry: dict[str, Json] = {}
        if VARIABLES in ancestor.memory:
            continue
        if ancestor.value is not None:
            entry["taskrun"] = {"value": ancestor.value}
        if ancestor.outputs is not None:
            entry["outputs"] = ancestor.outputs
        if entry:
            found.append(entry)
    return found


def labels_map(labels: Iterable[Mapping[str, str]]) -> dict[str, Json]:
    """Keys with dots are nested; the first of a key wins."""
    root: dict[str, Json] = {}
    for label in labels:
        target: Json = root
        *parts, last = label["key"].split(".")
        for part in parts:
            target = target.setdefault(part, {}) if isinstance(target, dict) else None
        if isinstance(target, dict):
            target.setdefault(last, label["value"])
    return root


def _states(scope: ExecutionScope) -> object:
    """`tasks.<id>.state`; inside loops by value."""

    return LazyMap(lambda task_id: states_of_task(scope.execution, task_id), lambda: list(scope.execution.by_task))


def _vars(scope: ExecutionScope) -> dict[str, Json]:
    """The flow's variables; from the first SetVariables on, what the execution has of them."""
    return scope.execution.variables if VARS in scope.execution.memory else scope.flow.variables


_ROOTS: dict[str, Callable[[ExecutionScope], object]] = {
    "flow": _flow,
    "execution": _execution,
    "inputs": lambda scope: scope.execution.inputs,
    "outputs": lambda scope: _Outputs(scope.flow, scope.execution, scope.run, scope.fetch).everything(),
    "tasks": _states,
    "vars": _vars,
    "trigger": lambda scope: (scope.execution.trigger or {}).get("variables", UNDEFINED),
    "labels": lambda scope: labels_map(scope.execution.labels),
    "task": _task,
    "taskrun": lambda scope: UNDEFINED if scope.run is None else _taskrun(scope.run),
    "parents": _parents,
    "parent": lambda scope: next(iter(_parents(scope)), UNDEFINED),
}


# --- what a job carries


def _job_outputs(scope: ExecutionScope, tasks: Iterable[str], left_out: list[str]) -> dict[str, Json]:
    outputs = _Outputs(scope.flow, scope.execution, scope.run, None)
    carried: dict[str, Json] = {}
    for task_id in tasks:
        runs = sum(map(len, scope.execution.by_task[task_id].values()))
        value = _own_path(scope, outputs, task_id) if runs > MAX_RUNS else plain(outputs.of(task_id))
        if runs > MAX_RUNS or _has_large(scope.execution, task_id) or _is_large(value):
            left_out.append(task_id)
        if value is not UNDEFINED and not _is_large(value):
            carried[task_id] = value
    return carried


def _job_states(scope: ExecutionScope, left_out: list[str]) -> dict[str, Json]:
    """Of a long loop only the states of its own turn: all of them in every job would be quadratic."""
    assert scope.run is not None
    execution = scope.execution
    own = value_path(execution, scope.run)
    left_out += [task_id for task_id, by_value in execution.by_task.items() if len(by_value) > MAX_RUNS]
    return {
        task_id: states_of_task(execution, task_id, own if task_id in left_out else None)
        for task_id in execution.by_task
    }


def _own_path(scope: ExecutionScope, outputs: _Outputs, task_id: str) -> Json:
    """Of a long loop only what stands at the run's own values: what a loop's tasks nearly always ask for."""
    assert scope.run is not None
    path = value_path(scope.execution, scope.run)
    value = outputs.of(task_id)
    taken: list[str] = []
    for key in path:
        if not isinstance(value, LazyMap):
            break
        value = value.get(key)
        taken.append(key)
    if isinstance(value, LazyMap) or value is UNDEFINED:
        return UNDEFINED
    for key in reversed(taken):
        value = {key: value}
    return value


def _has_large(execution: Execution, task_id: str) -> bool:
    by_value = execution.by_task[task_id]
    if sum(map(len, by_value.values())) > MAX_RUNS:
        return True
    return any(execution.runs[run_id].outputs_ref is not None for ids in by_value.values() for run_id in ids)


def _small(values: Mapping[str, Json], wanted: Iterable[str] | None, left_out: list[str]) -> dict[str, Json]:
    carried = {}
    for name in values if wanted is None else wanted:
        if name not in values:
            continue
        if _is_large(values[name]):
            left_out.append(name)
        else:
            carried[name] = values[name]
    return carried


def _is_large(value: Json) -> bool:
    return json_size(value, MAX_VALUE) > MAX_VALUE


def json_size(value: Json, limit: int) -> int:
    """About the length of a value as JSON; stops counting behind the limit."""
    if isinstance(value, str):
        return len(value) + 2
    if not isinstance(value, dict | list):
        return 8
    size = 2
    for item in value.items() if isinstance(value, dict) else enumerate(value):
        size += len(str(item[0])) + json_size(item[1], limit - size)
        if size > limit:
            break
    return size


def _merged(carried: object, full: Callable[[], object]) -> object:
    """The carried part, the whole (asked for once) when something else is wanted."""
    full = cache(full)
    if not isinstance(carried, dict):
        return full()

    def value(key: str) -> object:
        if key in carried:
            inner = carried[key]
            return _merged(inner, lambda: _part(full(), key)) if isinstance(inner, dict) else inner
        return _part(full(), key)

    def names() -> Iterable[str]:
        whole = full()
        return list(whole) if isinstance(whole, Mapping) else []

    return LazyMap(value, names)


def _part(value: object, key: str) -> object:
    return value.get(key, UNDEFINED) if isinstance(value, Mapping) else UNDEFINED
