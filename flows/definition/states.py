"""The states of executions, task runs and attempts, and the table of legal moves. Nothing else may decide what is legal."""

from enum import StrEnum


class State(StrEnum):
    CREATED = "CREATED"
    RUNNING = "RUNNING"
    PAUSED = "PAUSED"
    RESTARTED = "RESTARTED"
    KILLING = "KILLING"
    SUCCESS = "SUCCESS"
    WARNING = "WARNING"
    FAILED = "FAILED"
    KILLED = "KILLED"
    CANCELLED = "CANCELLED"
    QUEUED = "QUEUED"
    RETRYING = "RETRYING"
    RETRIED = "RETRIED"
    SKIPPED = "SKIPPED"
    BREAKPOINT = "BREAKPOINT"

    @property
    def is_terminal(self) -> bool:
        return self in TERMINAL

    @property
    def is_paused(self) -> bool:
        """Waits for a user."""
        return self in (State.PAUSED, State.BREAKPOINT)

    @property
    def is_failed(self) -> bool:
        return self is State.FAILED


S = State
TERMINAL = frozenset({S.SUCCESS, S.WARNING, S.FAILED, S.KILLED, S.CANCELLED, S.RETRIED, S.SKIPPED})
# Terminal states that a user may restart from or set by hand.
LIVE = frozenset(State) - TERMINAL

_END = {S.SUCCESS, S.WARNING, S.FAILED, S.KILLED, S.CANCELLED}

# Kestra enforces no table (engine.md §2, "State machine"); ours is the union of the paths that it takes.
EXECUTION_MOVES: dict[State, frozenset[State]] = {
    S.CREATED: frozenset({S.RUNNING, S.QUEUED, S.PAUSED, S.KILLING, S.BREAKPOINT, *_END}),
    S.QUEUED: frozenset({S.RUNNING, S.KILLING, S.CANCELLED, S.FAILED, S.KILLED, S.CREATED}),
    S.RUNNING: frozenset({S.PAUSED, S.RETRYING, S.RETRIED, S.KILLING, S.RESTARTED, S.BREAKPOINT, *_END}),
    S.PAUSED: frozenset({S.RESTARTED, S.RUNNING, S.KILLING, *_END}),
    S.BREAKPOINT: frozenset({S.RESTARTED, S.RUNNING, S.PAUSED, S.KILLING, *_END}),
    S.RESTARTED: frozenset({S.RUNNING, S.QUEUED, S.PAUSED, S.KILLING, S.RETRYING, S.RETRIED, *_END}),
    S.RETRYING: frozenset({S.RUNNING, S.PAUSED, S.KILLING, S.RESTARTED, S.RETRIED, S.BREAKPOINT, *_END}),
    S.KILLING: frozenset({S.KILLED, S.CANCELLED, S.FAILED, S.SUCCESS, S.WARNING}),
    S.SUCCESS: frozenset({S.RESTARTED, *_END} - {S.SUCCESS}),
    S.WARNING: frozenset({S.RESTARTED, *_END} - {S.WARNING}),
    S.FAILED: frozenset({S.RESTARTED, *_END} - {S.FAILED}),
    S.KILLED: frozenset({S.RESTARTED, *_END} - {S.KILLED}),
    S.CANCELLED: frozenset({S.RESTARTED, *_END} - {S.CANCELLED}),
    S.RETRIED: frozenset({S.RESTARTED, *_END}),
    S.SKIPPED: frozenset({S.RESTARTED}),
}

TASK_RUN_MOVES: dict[State, frozenset[State]] = {
    S.CREATED: frozenset({S.RUNNING, S.SKIPPED, S.KILLING, S.PAUSED, S.RETRYING, S.BREAKPOINT, *_END}),
    S.BREAKPOINT: frozenset({S.CREATED, S.KILLING, *_END}),
    S.RUNNING: frozenset({S.PAUSED, S.RETRYING, S.RETRIED, S.KILLING, S.SKIPPED, S.CREATED, *_END}),
    S.PAUSED: frozenset({S.RUNNING, S.RESTARTED, S.KILLING, *_END}),
    S.RETRYING: frozenset({S.CREATED, S.RUNNING, S.KILLING, S.RETRIED, *_END}),
    S.RESTARTED: frozenset({S.RUNNING, S.CREATED, S.KILLING, S.SKIPPED, S.PAUSED, S.BREAKPOINT, *_END}),
    S.KILLING: frozenset({S.KILLED, *_END}),
    S.SUCCESS: frozenset({S.RESTARTED, S.RUNNING, *_END} - {S.SUCCESS}),
    S.WARNING: frozenset({S.RESTARTED, S.RUNNING, *_END} - {S.WARNING}),
    S.FAILED: frozenset({S.RETRYING, S.RETRIED, S.RESTARTED, S.RUNNING, S.CREATED, *_END} - {S.FAILED}),
    S.KILLED: frozenset({S.RESTARTED, S.RUNNING, *_END} - {S.KILLED}),
    S.CANCELLED: frozenset({S.RESTARTED, S.RUNNING, *_END} - {S.CANCELLED}),
    S.RETRIED: frozenset({S.RESTARTED, S.RUNNING}),
    S.SKIPPED: frozenset({S.RESTARTED, S.RUNNING, S.CREATED}),
}


class IllegalMove(Exception):
    """A move that the table does not know: a defect of the caller, never ignored silently."""

    def __init__(self, what: str, before: State, after: State) -> None:
        super().__init__(f"{what}: {before} -> {after} is not a legal move")
        self.before, self.after = before, after
