"""What differs from Kestra 1.3 and what is not there yet: facts for docs/kestra_compatibility.md. All else is supported.

Names are those that flows use; `documents` takes the lists of what there is from the code itself."""

DIFFERS, NOT_YET = "differs", "not yet"
Note = tuple[str, str]  # status, how and why
_CORE = "io.kestra.plugin.core."

_SCRIPTS = "without a `taskRunner` a process of the worker; Kestra's default is Docker"

FLOW: dict[str, Note] = {
    "tenantId": (DIFFERS, "accepted and ignored: there is one tenant, `main`"),
    "checks": (DIFFERS, "asked for every start; what a trigger starts and a check blocks is FAILED with the reason"),
    "draft": (NOT_YET, "accepted, without effect"),
    "deleted": (DIFFERS, "accepted; a flow is deleted by its route, not by its text"),
    "workerGroup": (DIFFERS, "a Celery queue of that name; in Kestra a feature of the Enterprise Edition"),
    "listeners": (DIFFERS, "deprecated in Kestra, works; run before `afterExecution`"),
    "retry": (
        DIFFERS,
        "`exponential` grows by its factor from `interval` on; Kestra's grows linearly and begins at once",
    ),
    "triggers": (DIFFERS, "see the list of triggers below"),
    "concurrency": (
        DIFFERS,
        "counted under a lock, for every way in which an execution comes to run; waiting ones start in order",
    ),
    "sla": (DIFFERS, "watched to the millisecond instead of once a second"),
    "outputs": (DIFFERS, "values made of secrets are stored encrypted and shown as stars"),
}
TASK: dict[str, Note] = {
    "taskCache": (DIFFERS, "a task that uses secrets always runs"),
    "assets": (NOT_YET, "accepted, without effect (Enterprise Edition)"),
    "workerGroup": (DIFFERS, "a Celery queue of that name"),
    "runIf": (
        DIFFERS,
        "honoured by every task, also by those that Kestra settles in the executor (Labels, Subflow, …)",
    ),
    "retry": (DIFFERS, "`warningOnRetry` warns from the second try on, Kestra's from the third"),
}
TRIGGER: dict[str, Note] = {
    "conditions": (DIFFERS, "one that cannot be evaluated is told in the log of the execution, and counts as not met"),
    "workerGroup": (NOT_YET, "accepted; no trigger runs on a worker yet"),
    "logToFile": (DIFFERS, "accepted; lines are kept in the database"),
    "allowConcurrent": (NOT_YET, "accepted; comes with the scheduler. Flow triggers and webhooks answer every event"),
    "failOnTriggerError": (NOT_YET, "accepted; comes with the scheduler"),
    "assets": (NOT_YET, "accepted, without effect (Enterprise Edition)"),
}
INPUTS: dict[str, Note] = {
    "SECRET": (
        DIFFERS,
        "encrypted at rest with a key of this installation; stars in logs and in evaluated expressions;"
        " a task's output that is just the input is in the clear in `GET /executions/{id}` for authors",
    ),
}
TYPES: dict[str, Note] = {
    _CORE + "trigger.Schedule": (NOT_YET, "read, checked and listed; the scheduler comes later"),
    _CORE + "trigger.ScheduleOnDates": (NOT_YET, "read, checked and listed; the scheduler comes later"),
    _CORE + "trigger.Flow": (
        DIFFERS,
        "inputs that the flow refuses make a FAILED execution with the reason, Kestra drops it silently; chains end 20 deep"
        " and at 10,000 executions of one origin (settings); `http()` is not available in its templates",
    ),
    _CORE + "trigger.Webhook": (
        DIFFERS,
        "needs no credentials beside its key; `Authorization` and `Cookie` headers are not kept; names of headers are"
        " spelled as the flow spells them",
    ),
    _CORE + "http.Trigger": (NOT_YET, "read, checked and listed; the scheduler comes later"),
    _CORE + "kv.PurgeKV": (DIFFERS, "only current versions are kept: the behavior `version` finds nothing to purge"),
    _CORE + "namespace.PurgeFiles": (
        DIFFERS,
        "a version is as old as its replacement; the current one is never purged",
    ),
    _CORE + "runner.Process": (DIFFERS, "as `taskRunner` of scripts, not as a task"),
    _CORE + "flow.ForEach": (
        DIFFERS,
        "the first values start in their order (Kestra's concurrent ones in reverse); booleans are values too",
    ),
    _CORE + "flow.Dag": (
        DIFFERS,
        "a task starts when all it depends on have ended, in whatever state, as in Kestra; nobody waits for a disabled one",
    ),
    _CORE + "flow.WorkingDirectory": (DIFFERS, "tasks inside honour `runIf`, Kestra's do not"),
    _CORE + "flow.ForEachItem": (DIFFERS, "files below `subflowOutputsBaseUri` are there when `_merge` has run"),
    _CORE + "flow.LoopUntil": (DIFFERS, "waits to the millisecond instead of up to a second longer"),
    _CORE + "flow.Pause": (
        DIFFERS,
        "waits to the millisecond instead of up to a second longer; what becomes of `onPause` changes nothing else",
    ),
    "io.kestra.plugin.scripts.shell.Commands": (
        DIFFERS,
        "runs as a process of the worker unless Docker is asked for; other task runners are refused, for all scripts",
    ),
}
# Types of Kestra's core that no registry of ours holds.
MISSING = (_CORE + "runner.Process",)

# Cases of the outside judge (`make conformance`) that are not met, and why.
CASES: dict[str, str] = {}

ACTIONS: dict[str, Note] = {
    "kill": (
        DIFFERS,
        "KILLED when everything below has ended, or after 10 s; Kestra's is KILLED at once, with tasks still running",
    ),
    "labels": (DIFFERS, "in any state; Kestra refuses before the end"),
    "restart": (DIFFERS, "also of a paused execution (a resume); one without a failed task is refused with 422"),
    "replay-from": (DIFFERS, "of ended executions only: a copy of running tasks would run twice"),
    "change-status": (DIFFERS, "an execution that has not ended is refused with 409"),
    "bulk": (DIFFERS, "on all or none, in one transaction; at most 10,000 executions at a time"),
    "eval": (DIFFERS, "needs the role of an author; whatever comes of a secret is stars"),
}

# Number in the list of Kestra's traps, what it is, and what is done.
TRAPS: tuple[tuple[str, str, str], ...] = (
    ("Exponential retry is linear and begins at once", "mended", "grows by the factor"),
    ("`maxAttempt` counts the first try", "kept", "flows rely on it"),
    ("`warningOnRetry` warns from the third try", "mended", "from the second"),
    ("A task with `allowFailure` has only its own retry", "kept", ""),
    (
        "A parallel construct is FAILED before its siblings have ended",
        "mended",
        "it ends when they have: else what follows them is lost, and a restart runs them twice",
    ),
    ("A successful `errors` branch does not change FAILED; a failing `finally` counts for nothing", "kept", ""),
    ("Dag dependencies need an end, not a success", "kept", ""),
    ("Switch without match and defaults fails, If without else succeeds", "kept", ""),
    ("If decides once", "kept", ""),
    ("ForEach drops double values and refuses nulls", "kept", "booleans are accepted"),
    ("The first batch of a concurrent ForEach starts in reverse", "mended", ""),
    (
        "The next task is found by counting runs",
        "mended",
        "by its place: removed or moved tasks do not confuse a restart",
    ),
    ("Concurrency limits are counted without a lock", "mended", "exact under races; no way around them but force-run"),
    ("KILLED before the tasks have ended", "mended", ""),
    ("Tasks in a WorkingDirectory ignore `runIf`", "mended", ""),
    ("`runIf` is ignored by tasks that the executor settles", "mended", ""),
    (
        "A crash loses claimed messages; readers miss late rows",
        "mended",
        "messages go in the transaction that applies them",
    ),
    ("Delays and timeouts may fire twice and up to a second late", "mended", "once, on time"),
    ("Plugin defaults put lists one after the other", "kept", ""),
    ("`parents` leaves out ancestors with neither value nor outputs", "kept", ""),
    ("A second `currentEachOutput` in one rendering sees another order", "mended", ""),
    ("SELECT and ENUM accept anything when not required; BOOLEAN takes anything but true for false", "kept", ""),
    ('Only `""`, `0`, `-0`, `false` and null are false; the condition Expression has a rule of its own', "kept", ""),
    ("`now()` is a text; jq answers a list; dates leave out zero seconds", "kept", ""),
    ("`randomInt` wants one of Java's integer types", "mended", "any integer"),
    ("Flow triggers hear changes only, never CREATED, never their own flow", "kept", ""),
    ("A flow trigger whose inputs cannot be rendered drops the execution", "mended", "a FAILED execution says why"),
    ("A Pause inside Parallel pauses the whole execution", "kept", "what runs goes on to its end"),
    ("An exception while the next tasks are found leaves an execution hanging", "mended", "it fails with the reason"),
    ("`labels.system` keeps one label only", "mended", "all of them, nested"),
)
