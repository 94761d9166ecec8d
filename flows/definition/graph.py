"""The topology of a flow, or of one execution of it, as Kestra draws it: nodes, edges and nested clusters. Pure.

How a task's own tasks hang together is told by the task (`relation`, `dependencies`); nothing here names a type."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from flows.definition.json_form import tasks_by_id, triggers_by_id, without_nulls
from flows.definition.model import Flow
from flows.tasks.base import ExecutableTask, Task

Json = dict[str, Any]
_TYPE = "io.kestra.core.models.hierarchies."
ERROR, FINALLY, AFTER = "ERROR", "FINALLY", "AFTER_EXECUTION"
# Branches whose tasks all lead to the end of their cluster, instead of one to the next.
_SIDE_BY_SIDE = frozenset({"PARALLEL"})


class CannotExpand(ValueError):
    """The flow that a task starts is only known while it runs."""

    http_status = 422


@dataclass(frozen=True, slots=True)
class Run:
    """A task run as the graph shows it. `values`: those of the loops around it and its own, outermost first."""

    id: str
    value: str | None
    values: tuple[str, ...]
    shown: Json


class Runs(Protocol):
    """The task runs of the execution that is drawn."""

    def of(self, task_id: str, parent_id: str | None) -> Sequence[Run]: ...


@dataclass(frozen=True, slots=True)
class Subflow:
    """What stands behind a task that starts a flow: the flow, and its execution's runs where one is drawn."""

    flow: Flow
    runs: Runs | None = None


# (task, its run) to the flow it starts; raises LookupError for one that does not exist.
FindSubflow = Callable[[Task, Run | None], Subflow]


@dataclass(slots=True)
class _Cluster:
    uid: str  # path of task ids from the root on
    mark: str  # what tells apart clusters of the same task: the values it runs with
    kind: str = "GraphCluster"
    relation: str | None = None
    head: Json | None = None  # the node of the task that the cluster belongs to
    branch: str | None = None
    members: list["Json | _Cluster"] = field(default_factory=list)
    edges: list[Json] = field(default_factory=list)

    @property
    def start(self) -> str:
        return f"{self.uid}{self.mark}.-start"

    @property
    def end(self) -> str:
        return f"{self.uid}{self.mark}.-end"

    def link(self, source: str, target: str, relation: str | None = None, value: str | None = None) -> None:
        told = {"relationType": relation, "value": value}
        shown = {key: item for key, item in told.items() if item is not None}
        self.edges.append({"source": source, "target": target, "relation": shown})


@dataclass(frozen=True, slots=True)
class _Place:
    """The list of tasks that is being drawn: where it stands and where its last task leads."""

    cluster: _Cluster
    flow: "_Drawn"
    parent: Run | None
    exit: str


@dataclass(frozen=True, slots=True)
class _Drawn:
    """A flow with what is shown of its tasks and triggers."""

    flow: Flow
    runs: Runs | None
    tasks: Mapping[str, Json]
    triggers: Mapping[str, Json]
    mark: str = ""  # of the cluster that a started flow is drawn in

    def runs_of(self, task: Task, parent: Run | None) -> Sequence[Run | None]:
        """None: the task was not reached, or no execution is drawn."""
        found = self.runs.of(task.id, None if parent is None else parent.id) if self.runs else ()
        return found or (None,)


def flow_graph(
    flow: Flow,
    *,
    runs: Runs | None = None,
    expanded: Sequence[str] = (),
    find_subflow: FindSubflow | None = None,
) -> Json:
    """`expanded` are uids of tasks whose flows are drawn in their place. Raises CannotExpand, LookupError."""
    root = _Cluster("root", "")
    _Drawer(frozenset(expanded), find_subflow).draw_flow(root, _drawn(flow, runs))
    clusters = list(_clusters(root, ()))
    return {
        "nodes": [_node_json(node) for node in _nodes(root)],
        "edges": [edge for cluster in (root, *(inner for inner, _ in clusters)) for edge in cluster.edges],
        "clusters": [_cluster_json(cluster, parents) for cluster, parents in clusters],
        "flowables": [place.task.id for place in flow.task_index.values() if _holds_tasks(place.task)],
    }


def _drawn(flow: Flow, runs: Runs | None, mark: str = "") -> _Drawn:
    return _Drawn(flow, runs, tasks_by_id(flow.document), triggers_by_id(flow.document), mark)


@dataclass(frozen=True, slots=True)
class _Drawer:
    expanded: frozenset[str]
    find_subflow: FindSubflow | None

    def draw_flow(self, cluster: _Cluster, drawn: _Drawn) -> None:
        flow = drawn.flow
        _open(cluster)
        if flow.triggers:
            self._draw_triggers(cluster, drawn)
        self._draw_lists(cluster, drawn, None, (("", flow.tasks),), flow.errors, flow.finally_, flow.after_execution)

    def _draw_triggers(self, cluster: _Cluster, drawn: _Drawn) -> None:
        inner = _Cluster(f"{cluster.uid}.Triggers", cluster.mark)
        _open(inner)
        cluster.members.append(inner)
        for trigger in drawn.flow.triggers:
            uid = f"{inner.uid}.{trigger.id}{cluster.mark}"
            shown = {"id": trigger.id, "type": trigger.type, **drawn.triggers.get(trigger.id, {})}
            inner.members.append({"uid": uid, "type": f"{_TYPE}GraphTrigger", "triggerDeclaration": shown})
            inner.link(inner.start, uid)
            inner.link(uid, inner.end)
        cluster.link(inner.end, cluster.start)

    def _draw_lists(
        self,
        cluster: _Cluster,
        drawn: _Drawn,
        parent: Run | None,
        branches: Sequence[tuple[str, Sequence[Task]]],
        errors: Sequence[Task],
        finally_: Sequence[Task],
        after: Sequence[Task] = (),
        owner: Task | None = None,
    ) -> None:
        """The tasks, then what follows a failure, then what follows in any case: each leads on to the next that there is."""
        ends = [cluster.end]
        late = [
            (AFTER, after, "GraphClusterAfterExecution", "-after"),
            (FINALLY, finally_, "GraphClusterFinally", "-finally"),
        ]
        joints: list[tuple[str, Sequence[Task], Json, str]] = []
        for relation, tasks, kind, name in late:
            if tasks:
                joint = {"uid": f"{cluster.uid}{cluster.mark}.{name}", "type": _TYPE + kind, "branchType": relation}
                joints.append((relation, tasks, joint, ends[-1]))
                ends.append(joint["uid"])
        place = _Place(cluster, drawn, parent, ends[-1])
        needs = None if owner is None else owner.dependencies()
        for name, tasks in branches:
            if needs is not None:
                self._draw_dependent(place, tasks, needs)
            else:
                side = cluster.relation if cluster.relation in _SIDE_BY_SIDE else "SEQUENTIAL"
                self._draw_list(place, tasks, side, self._head(cluster), value=name or None)
        if errors:
            self._draw_list(place, errors, ERROR, self._origin_of_errors(cluster), branch=ERROR)
        for relation, tasks, joint, exit_ in reversed(joints):
            cluster.members.append(joint)
            self._draw_list(_Place(cluster, drawn, parent, exit_), tasks, relation, joint["uid"], branch=relation)

    @staticmethod
    def _head(cluster: _Cluster) -> str:
        return cluster.start if cluster.head is None else str(cluster.head["uid"])

    def _origin_of_errors(self, cluster: _Cluster) -> str:
        """Kestra's GraphUtils lets the error branch of a flow begin at its first task when that is a plain one."""
        if cluster.head is None and cluster.members:
            first = cluster.members[0]
            if isinstance(first, dict) and first["type"] == f"{_TYPE}GraphTask":
                return str(first["uid"])
        return self._head(cluster)

    def _draw_list(
        self,
        place: _Place,
        tasks: Sequence[Task],
        relation: str,
        previous: str,
        *,
        value: str | None = None,
        branch: str | None = None,
    ) -> None:
        """In a row, or side by side. The first edge tells how the cluster chooses its tasks, the others how they follow."""
        cluster = place.cluster
        side_by_side = relation in _SIDE_BY_SIDE
        for number, task in enumerate(tasks):
            is_last = number == len(tasks) - 1
            for run in place.flow.runs_of(task, place.parent):
                member = self._draw_task(place, task, run, relation, branch)
                cluster.members.append(member)
                how = relation
                if relation not in (ERROR, FINALLY, AFTER) and (number == 0 or cluster.relation == "DYNAMIC"):
                    how = cluster.relation or ""
                said = run.value if run is not None and run.value is not None else value if number == 0 else None
                cluster.link(previous, _entry(member), how or None, said)
                if not side_by_side:
                    previous = _exit(member)
                if side_by_side or is_last:
                    cluster.link(_exit(member), place.exit)

    def _draw_dependent(self, place: _Place, tasks: Sequence[Task], needs: Mapping[str, Sequence[str]]) -> None:
        """Each task after those that it depends on; what nobody waits for leads to the end."""
        waited_for = {name for names in needs.values() for name in names}
        drawn: dict[str, list[_Cluster | Json]] = {}
        waiting = list(tasks)
        while waiting:
            ready = [task for task in waiting if all(name in drawn for name in needs.get(task.id, ()))]
            for task in ready or waiting:  # unknown names and cycles are refused when a flow is read
                members = []
                for run in place.flow.runs_of(task, place.parent):
                    member = self._draw_task(place, task, run, "PARALLEL", None)
                    members.append(member)
                    place.cluster.members.append(member)
                    before = [other for name in needs.get(task.id, ()) for other in drawn.get(name, ())]
                    for source in [_exit(other) for other in before] or [self._head(place.cluster)]:
                        place.cluster.link(source, _entry(member), "PARALLEL", None if run is None else run.value)
                    if task.id not in waited_for:
                        place.cluster.link(_exit(member), place.exit)
                drawn[task.id] = members
            waiting = [task for task in waiting if task.id not in drawn]

    def _draw_task(
        self, place: _Place, task: Task, run: Run | None, relation: str, branch: str | None
    ) -> "Json | _Cluster":
        uid = f"{place.cluster.uid}.{task.id}"
        mark = place.cluster.mark
        if run is not None:
            mark = place.flow.mark + "".join(f"_{value}" for value in run.values)
        node: Json = {
            "uid": uid + mark,
            "type": f"{_TYPE}GraphTask",
            "task": without_nulls("", place.flow.tasks.get(task.id, {"id": task.id, "type": task.type})),
            "taskRun": None if run is None else run.shown,
            "values": list(run.values) if run is not None and run.values else None,
            "relationType": relation,
            "branchType": branch,
        }
        if isinstance(task, ExecutableTask):
            return self._draw_subflow(place, task, run, uid, mark, node)
        branches = [(name, tasks) for name, tasks in task.branches() if name not in ("errors", "finally")]
        if not any(tasks for _, tasks in branches):
            return node
        cluster = _Cluster(uid, mark, relation=task.relation, head=node, branch=branch)
        node["relationType"] = task.relation
        _open(cluster)
        named = [(_branch_value(name) if task.relation == "CHOICE" else "", tasks) for name, tasks in branches]
        self._draw_lists(cluster, place.flow, run, named, task.error_tasks(), task.finally_tasks(), owner=task)
        return cluster

    def _draw_subflow(
        self, place: _Place, task: Task, run: Run | None, uid: str, mark: str, node: Json
    ) -> "Json | _Cluster":
        node["type"] = f"{_TYPE}SubflowGraphTask"
        if uid not in self.expanded and uid + mark not in self.expanded:
            return node
        if self.find_subflow is None:
            raise CannotExpand(f"Illegal argument: subflow task '{uid}' cannot be expanded here")
        if run is None and ("{" in str(getattr(task, "namespace", "")) or "{" in str(getattr(task, "flow_id", ""))):
            raise CannotExpand(
                f"Illegal argument: Can't expand subflow task '{uid}' because namespace and/or flowId contains "
                "dynamic values. This can only be viewed on an execution."
            )
        subflow = self.find_subflow(task, run)
        cluster = _Cluster(uid, mark, kind="SubflowGraphCluster", relation="SEQUENTIAL", head=node)
        self.draw_flow(cluster, _drawn(subflow.flow, subflow.runs, mark))
        return cluster


def _holds_tasks(task: Task) -> bool:
    return any(tasks for _, tasks in task.branches())


def _open(cluster: _Cluster) -> None:
    if cluster.head is not None:
        cluster.members.append(cluster.head)
        cluster.link(cluster.start, str(cluster.head["uid"]))


def _branch_value(name: str) -> str:
    """What a choice is called on its edge: a case by its value, any other list by its property."""
    return name.partition(".")[2] or name


def _entry(member: "Json | _Cluster") -> str:
    return member.start if isinstance(member, _Cluster) else str(member["uid"])


def _exit(member: "Json | _Cluster") -> str:
    return member.end if isinstance(member, _Cluster) else str(member["uid"])


def _nodes(cluster: _Cluster) -> Iterator[Json]:
    """Start and end of a cluster stand before what is in it."""
    branch = {} if cluster.branch is None else {"branchType": cluster.branch}
    yield {"uid": cluster.start, "type": f"{_TYPE}GraphClusterRoot", **branch}
    yield {"uid": cluster.end, "type": f"{_TYPE}GraphClusterEnd", **branch}
    for member in cluster.members:
        if isinstance(member, _Cluster):
            yield from _nodes(member)
        else:
            yield member


def _clusters(cluster: _Cluster, parents: tuple[str, ...]) -> Iterator[tuple[_Cluster, tuple[str, ...]]]:
    """Every cluster but the root, outer ones first, with the uids of those around it."""
    for member in cluster.members:
        if isinstance(member, _Cluster):
            around = parents if cluster.uid == "root" else (*parents, _uid(cluster))
            yield member, around
            yield from _clusters(member, around)


def _uid(cluster: _Cluster) -> str:
    return f"cluster_{cluster.uid}"


def _node_json(node: Json) -> Json:
    return {key: value for key, value in node.items() if value is not None}


def _cluster_json(cluster: _Cluster, parents: tuple[str, ...]) -> Json:
    shown: Json = {
        "uid": _uid(cluster),
        "type": _TYPE + cluster.kind,
        "relationType": cluster.relation,
        "branchType": cluster.branch,
        "taskNode": None if cluster.head is None else _node_json(cluster.head),
    }
    inside = [cluster.start, cluster.end]
    for member in cluster.members:
        inside += [_uid(member), member.start, member.end] if isinstance(member, _Cluster) else [str(member["uid"])]
    return {
        "cluster": _node_json(shown),
        "nodes": inside,
        "parents": list(parents),
        "start": cluster.start,
        "end": cluster.end,
    }
