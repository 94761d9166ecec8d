"""core.execution.Exit: ends its execution in a state of one's choosing. Pure."""

from collections.abc import Mapping
from typing import Any

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


class Exit(UpdatingTask):
    """What runs beside it goes on to its end, unless the state is KILLED."""

    state: Any = "SUCCESS"

    def update(self, view: View, variables: Mapping[str, Json]) -> Update:
        name = str(view.render(self.state)).upper()
        if name not in _STATES:
            raise TaskFailure(f"An execution cannot exit as {name[:100]}: it must be one of {', '.join(_STATES)}")
        return Update(state=_STATES[name])
