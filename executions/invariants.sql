-- What must be true of stored executions. Read only; each query answers (execution or null, what is wrong).
-- `since`: executions that started no longer ago than so many seconds, and all that are not over.

-- name: execution_moves
WITH moves AS (
    SELECT e.id, h.value->>0 AS state, lag(h.value->>0) OVER own AS before,
        (h.value->>1)::timestamptz AS at, lag((h.value->>1)::timestamptz) OVER own AS earlier
    FROM executions e CROSS JOIN LATERAL jsonb_array_elements(e.histories) WITH ORDINALITY AS h(value, position)
    WHERE e.start_date > clock_timestamp() - make_interval(secs => %(since)s) OR e.state <> ALL(%(terminal)s::text[])
    WINDOW own AS (PARTITION BY e.id ORDER BY h.position)
)
SELECT id, CASE WHEN at < earlier THEN format('%%s at %%s comes before %%s', state, at, before)
    ELSE format('went from %%s to %%s', before, state) END
FROM moves WHERE before IS NOT NULL AND (at < earlier OR NOT before || '>' || state = ANY(%(moves)s::text[]))
LIMIT %(limit)s;

-- name: run_moves
WITH moves AS (
    SELECT t.execution_id, t.task_id, h.value->>0 AS state, lag(h.value->>0) OVER own AS before,
        (h.value->>1)::timestamptz AS at, lag((h.value->>1)::timestamptz) OVER own AS earlier
    FROM task_runs t JOIN executions e ON e.id = t.execution_id
    CROSS JOIN LATERAL jsonb_array_elements(t.histories) WITH ORDINALITY AS h(value, position)
    WHERE e.start_date > clock_timestamp() - make_interval(secs => %(since)s) OR e.state <> ALL(%(terminal)s::text[])
    WINDOW own AS (PARTITION BY t.id ORDER BY h.position)
)
SELECT execution_id, CASE WHEN at < earlier THEN format('task %%s: %%s at %%s comes before %%s', task_id, state, at, before)
    ELSE format('task %%s went from %%s to %%s', task_id, before, state) END
FROM moves WHERE before IS NOT NULL AND (at < earlier OR NOT before || '>' || state = ANY(%(run_moves)s::text[]))
LIMIT %(limit)s;

-- name: states
SELECT e.id, format('is %%s, its history says %%s', e.state, e.histories->-1->>0) FROM executions e
WHERE (e.start_date > clock_timestamp() - make_interval(secs => %(since)s) OR e.state <> ALL(%(terminal)s::text[]))
    AND e.state IS DISTINCT FROM e.histories->-1->>0
UNION ALL
SELECT e.id, format('is %%s and its end date is %%s', e.state, COALESCE(e.end_date::text, 'missing')) FROM executions e
WHERE (e.start_date > clock_timestamp() - make_interval(secs => %(since)s) OR e.state <> ALL(%(terminal)s::text[]))
    AND (e.state = ANY(%(terminal)s::text[])) <> (e.end_date IS NOT NULL)
UNION ALL
SELECT e.id, format('task %%s is %%s, its history says %%s', t.task_id, t.state, t.histories->-1->>0)
FROM executions e JOIN task_runs t ON t.execution_id = e.id
WHERE (e.start_date > clock_timestamp() - make_interval(secs => %(since)s) OR e.state <> ALL(%(terminal)s::text[]))
    AND t.state IS DISTINCT FROM t.histories->-1->>0
LIMIT %(limit)s;

-- name: attempts
SELECT e.id, format('task %%s: attempt %%s of %%s is %%s, the task is %%s', t.task_id, a.position,
    jsonb_array_length(t.attempts), a.value->>'state', t.state)
FROM executions e JOIN task_runs t ON t.execution_id = e.id
CROSS JOIN LATERAL jsonb_array_elements(t.attempts) WITH ORDINALITY AS a(value, position)
WHERE (e.start_date > clock_timestamp() - make_interval(secs => %(since)s) OR e.state <> ALL(%(terminal)s::text[]))
    AND a.value->>'state' <> ALL(%(terminal)s::text[])
    AND (t.state = ANY(%(terminal)s::text[]) OR a.position < jsonb_array_length(t.attempts))
LIMIT %(limit)s;

-- name: leftovers
-- What is open or kept of an execution that is over (`afterExecution` may still run: then there is a job).
SELECT e.id, format('is %%s, but task %%s is %%s and nobody runs it', e.state, t.task_id, t.state)
FROM executions e JOIN task_runs t ON t.execution_id = e.id
WHERE e.start_date > clock_timestamp() - make_interval(secs => %(since)s) AND e.state = ANY(%(terminal)s::text[])
    AND t.state <> ALL(%(terminal)s::text[])
    AND NOT EXISTS (SELECT FROM worker_jobs j WHERE j.execution_id = e.id)
    AND NOT EXISTS (SELECT FROM queues q WHERE q.execution_id = e.id AND NOT q.stream)
    AND NOT EXISTS (SELECT FROM timers m WHERE m.execution_id = e.id)
UNION ALL
SELECT s.execution_id, 'holds a concurrency slot and is over' FROM concurrency_slots s
WHERE s.since < clock_timestamp() - interval '30 s' AND NOT EXISTS (
    SELECT FROM executions e WHERE e.id = s.execution_id AND e.state <> ALL(%(terminal)s::text[]))
UNION ALL
SELECT d.execution_id, format('a message %%s of it is a dead letter, and it goes on', d.type)
FROM dead_letters d JOIN executions e ON e.id = d.execution_id
WHERE e.state <> ALL(%(terminal)s::text[]) AND d.parked < clock_timestamp() - interval '30 s'
LIMIT %(limit)s;

-- name: unhandled
SELECT execution_id, format('message %%s waits for %%s s', type, round(extract(epoch FROM clock_timestamp() - created)))
FROM queues WHERE NOT stream AND created < clock_timestamp() - interval '30 s'
    AND (not_before IS NULL OR not_before < clock_timestamp() - interval '30 s')
UNION ALL
SELECT execution_id, format('a job of it is claimed by %%s, which does not exist', claimed_by) FROM worker_jobs j
WHERE claimed_at < clock_timestamp() - interval '30 s'
    AND NOT EXISTS (SELECT FROM service_instances s WHERE s.id = j.claimed_by)
UNION ALL
SELECT execution_id, format('its timer %%s is %%s s late', kind, round(extract(epoch FROM clock_timestamp() - due)))
FROM timers WHERE due < clock_timestamp() - interval '30 s'
LIMIT %(limit)s;

-- name: stuck
-- Executions that go on by themselves, but of which nothing is under way. With their versions: one that has another
-- version a moment later was only looked at between two steps.
SELECT e.id, e.version, e.state FROM executions e
WHERE e.state <> ALL(%(terminal)s::text[]) AND e.state <> ALL(%(waiting)s::text[])
    AND NOT EXISTS (SELECT FROM worker_jobs j WHERE j.execution_id = e.id)
    AND NOT EXISTS (SELECT FROM queues q WHERE q.execution_id = e.id AND NOT q.stream)
    AND NOT EXISTS (SELECT FROM timers m WHERE m.execution_id = e.id)
    AND NOT EXISTS (SELECT FROM task_runs t WHERE t.execution_id = e.id AND t.state = ANY(%(waiting)s::text[]))
    AND NOT EXISTS (SELECT FROM executions c WHERE c.trigger_execution_id = e.id AND c.state <> ALL(%(terminal)s::text[]))
LIMIT %(limit)s;

-- name: sessions
SELECT NULL::uuid, format('session %%s (%%s) is idle in a transaction since %%s s', pid, application_name,
    round(extract(epoch FROM clock_timestamp() - state_change)))
FROM pg_stat_activity
WHERE datname = current_database() AND application_name LIKE 'celesta %%' AND state LIKE 'idle in transaction%%'
    AND state_change < clock_timestamp() - interval '15 s'
LIMIT %(limit)s;
