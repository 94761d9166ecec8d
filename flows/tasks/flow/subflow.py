"""Subflow: an execution of another flow, waited for or not. Also what every task that starts executions has. Pure."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Literal

from flows.definition.properties import Labels
from flows.definition.states import State
from flows.tasks.base import ChildEnd, ExecutableTask, Json, Launch, Progress, Restart, Task, TaskFailure, View

RestartBehavior = Literal["RETRY_FAILED", "NEW_EXECUTION"]
# Ends of a child that become its task's own (ExecutableUtils.guessState); any other is a success.
TRANSMITTED = (State.FAILED, State.KILLED, State.CANCELLED, State.WARNING)
RESTARTABLE = (State.FAILED, State.KILLED, State.CANCELLED)


class StartsFlow(Task):
    """Which flow is started, with what, and what of its end counts."""

    namespace: str
    flow_id: str
    revision: Any = None
    inputs: Any = None
    labels: Labels = ()
    wait: bool = True
    transmit_failed: bool = True
    inherit_labels: bool = False
    schedule_date: Any = None
    restart_behavior: RestartBehavior = "RETRY_FAILED"


def launch(
    task: StartsFlow,
    view: View,
    extra: Mapping[str, Json] | None = None,
    *,
    iteration: int | None = None,
    outputs: dict[str, Json] | None = None,
) -> Launch:
    """The order for one execution, its templates rendered with `extra` variables. Raises to fail."""
    revision = view.render(task.revision, extra)
    schedule_date = view.render(task.schedule_date, extra)
    return Launch(
        namespace=str(view.render(task.namespace, extra)),
        flow_id=str(view.render(task.flow_id, extra)),
        revision=None if revision in (None, "") else int(revision),
        inputs=_inputs(view.render(task.inputs, extra)),
        labels=tuple(_label(view, label, extra) for label in task.labels),
        inherit_labels=task.inherit_labels,
        schedule_date=schedule_date.isoformat() if isinstance(schedule_date, datetime) else schedule_date,
        iteration=iteration,
        wait=task.wait,
        variables={} if iteration is None else {"taskRunIteration": iteration},
        outputs=outputs,
    )


def transmitted(state: State, transmit_failed: bool) -> State:
    """What a child's end makes of the task that waited for it."""
    return state if transmit_failed and state in TRANSMITTED else State.SUCCESS


def _inputs(rendered: Json) -> dict[str, Json]:
    if rendered is None:
        return {}
    if not isinstance(rendered, Mapping):
        raise TaskFailure(f"The inputs must be a map, not `{str(rendered)[:200]}`")
    return dict(rendered)


def _label(view: View, label: Mapping[str, str], extra: Mapping[str, Json] | None) -> tuple[str, str]:
    rendered = view.render([label["key"], label["value"]], extra)
    key, value = (_text(item) for item in rendered)
    if key.startswith("system."):
        raise TaskFailure(f"System labels can only be set by the system itself: {key}")
    return key, value


def _text(value: Json) -> str:
    if value is None:
        return ""
    if isinstance(value, str):
        return value  # a secret one knows that it is
    return str(value).lower() if isinstance(value, bool) else str(value)


class Subflow(StartsFlow, ExecutableTask):
    aliases = ("io.kestra.core.tasks.flows.Subflow", "io.kestra.core.tasks.flows.Flow")

    # Deprecated: templates rendered in the child at its end; a child flow with `outputs` of its own goes before.
    outputs: dict[str, Any] | None = None

    def launches(self, view: View) -> Sequence[Launch]:
        return [launch(self, view, outputs=self.outputs)]

    def progress(self, view: View, news: ChildEnd) -> Progress:
        if news.state is None:
            return Progress(None if self.wait else State.SUCCESS, {"executionId": news.execution_id})
        if not view.outputs.get("executionId") and news.error is not None:
            return Progress(State.FAILED)  # it could not even start
        outputs: dict[str, Json] = {"executionId": news.execution_id, "state": news.state.value}
        if news.error is not None:
            return Progress(State.FAILED, outputs)
        if news.outputs:
            outputs["outputs"] = dict(news.outputs)
        return Progress(transmitted(news.state, self.transmit_failed), outputs)

    def outputs_wanted(self) -> dict[str, Json] | None:
        return self.outputs

    def restart(self, view: View) -> Restart | None:
        child_id, state = view.outputs.get("executionId"), view.outputs.get("state")
        if self.restart_behavior != "RETRY_FAILED" or not child_id or state not in RESTARTABLE:
            return None
        return Restart(((str(child_id), None),))
