"""core.execution.SetVariables and UnsetVariables: change what `vars` is for the rest of the execution. Pure."""

from collections.abc import Mapping
from typing import Any

from flows.tasks.base import Json, TaskFailure, Update, UpdatingTask, View


class SetVariables(UpdatingTask):
    variables: Any  # a map, or a template of one
    overwrite: bool = True

    def update(self, view: View, variables: Mapping[str, Json]) -> Update:
        given = view.render(self.variables)
        if not isinstance(given, Mapping):
            raise TaskFailure(f"The variables must be a map, not `{str(given)[:200]}`")
        known = [str(name) for name in given if name in variables]
        if known and not self.overwrite:
            raise TaskFailure(f"Variables exist already and are not overwritten: {', '.join(known)}")
        return Update(variables={**variables, **{str(name): value for name, value in given.items()}})


class UnsetVariables(UpdatingTask):
    variables: Any  # a list of names, or a template of one
    ignore_missing: bool = False

    def update(self, view: View, variables: Mapping[str, Json]) -> Update:
        given = view.render(self.variables)
        names = [given] if isinstance(given, str) else [str(name) for name in given or ()]
        missing = [name for name in names if name not in variables]
        if missing and not self.ignore_missing:
            raise TaskFailure(f"Unknown variables: {', '.join(missing)}")
        return Update(variables={name: value for name, value in variables.items() if name not in names})
