"""A timer's date has come: what was waiting for it goes on. Timers that nothing waits for any more are ignored."""

from executions.messages import TimerFired
from executions.transitions import admission, killing, pauses, retries, rounds, sla
from executions.transitions.turn import Turn
from flows.definition.states import State


def fired(turn: Turn, message: TimerFired) -> bool:
    """True when the execution goes on from where it stood."""
    execution = turn.execution
    run = execution.runs.get(message.key)
    match message.kind:
        case admission.TIMER:
            return execution.state is State.CREATED and admission.begin(turn)
        case killing.TIMER:
            killing.fence(turn)
        case sla.TIMER:
            sla.deadline(turn, message.key)
        case pauses.TIMER if run is not None:
            return pauses.wake(turn, run) and admission.begin(turn)
        case rounds.TIMER if run is not None:
            rounds.wake(turn, run)
        case retries.TIMER if run is not None:
            retries.wake(turn, run)
    return False
