"""core.execution.Exit: ends its execution in a state of one's choosing. Pure."""

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import AfterValidator

from flows.definition.states import State
from flows.tasks.base import Json, TaskFailure, Update, UpdatingTask, View

_STATES = {
    "SUCCESS": State.SUCCESS,
    "WARNING": State.WARNING,
    "KILLED": State.KILLED,
    "FAILED": State.FAILED,
    "CANCELED": State.CANCELLED,
    "CANCELLED": State.CANCELLED,
}


def _known(state: Any) -> Any:
    """A template is looked at when the task runs."""
    if isinstance(state, str) and "{{" not in state and "{%" not in state and state.strip().upper() not in _STATES:
        raise ValueError(f"must be one of {', '.join(_STATES)}")
    return state


class Exit(UpdatingTask):
    """What runs beside it goes on to its end, unless the state is KILLED."""

    state: Annotated[Any, AfterValidator(_known)] = "SUCCESS"

    def update(self, view: View, variables: Mapping[str, Json]) -> Update:
        name = str(view.render(self.state)).strip().upper()
        if name not in _STATES:
            raise TaskFailure(f"An execution cannot exit as {name[:100]}: it must be one of {', '.join(_STATES)}")
        return Update(state=_STATES[name])
