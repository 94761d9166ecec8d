"""AllowFailure: a Sequential whose failure is a warning. Pure."""

from flows.definition.states import State
from flows.tasks.flow.sequential import TaskList


class AllowFailure(TaskList):
    aliases = ("io.kestra.core.tasks.flows.AllowFailure",)

    def outcome(self, worst: State) -> State:
        return State.WARNING if worst is State.FAILED else worst
