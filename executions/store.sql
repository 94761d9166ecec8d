-- Executions, their task runs and logs. Each statement takes one jsonb document.
-- `= ANY(ARRAY(...))` beside a join is deliberate: it keeps cached plans on the index even when they were made
-- while the table was empty.

-- name: create
WITH r AS (
    SELECT * FROM jsonb_to_recordset(%(document)s::jsonb) AS r(
        id uuid, namespace text, flow_id text, flow_revision int, state text, histories jsonb, version bigint,
        inputs jsonb, labels jsonb, variables jsonb, outputs jsonb, trigger jsonb, parent_id uuid, original_id uuid,
        parent_task_run jsonb, trigger_execution_id uuid, depth int, schedule_date timestamptz, attempt_number int,
        original_created timestamptz, kind text, deleted boolean, error text, memory jsonb,
        start_date timestamptz, end_date timestamptz)
), made AS (
    INSERT INTO executions (
        id, namespace, flow_id, flow_revision, state, histories, version, inputs, labels, variables, outputs,
        trigger, parent_id, original_id, parent_task_run, trigger_execution_id, depth, schedule_date,
        attempt_number, original_created, kind, deleted, error, memory, trimmed, start_date, end_date)
    SELECT
        id, namespace, flow_id, flow_revision, state, histories, version, inputs, labels, variables, outputs,
        trigger, parent_id, original_id, parent_task_run, trigger_execution_id, depth, schedule_date,
        attempt_number, original_created, kind, deleted, error, memory, 0, start_date, end_date
    FROM r
)
INSERT INTO queues (stream, type, execution_id, body, tries, created)
SELECT m.stream, m.type, r.id, CASE WHEN m.stream THEN jsonb_build_object('version', r.version, 'state', r.state)
    ELSE '{}'::jsonb END, 0, clock_timestamp()
FROM r CROSS JOIN (VALUES (false, 'execution.created'), (true, 'execution')) AS m(stream, type);

-- name: save
WITH d AS (
    SELECT %(document)s::jsonb AS d
), r AS (
    SELECT r.* FROM d, jsonb_to_recordset(d.d->'executions') AS r(
        id uuid, flow_revision int, state text, histories jsonb, version bigint, labels jsonb, variables jsonb,
        outputs jsonb, attempt_number int, deleted boolean, error text, memory jsonb, trimmed bigint,
        schedule_date timestamptz, end_date timestamptz, parent_task_run jsonb)
), saved AS (
    UPDATE executions e SET
        flow_revision = r.flow_revision, state = r.state, histories = r.histories, version = r.version,
        labels = r.labels, variables = r.variables, outputs = r.outputs, attempt_number = r.attempt_number,
        deleted = r.deleted, error = r.error, memory = r.memory, schedule_date = r.schedule_date,
        parent_task_run = r.parent_task_run,
        trimmed = CASE WHEN r.trimmed > 0 THEN r.trimmed ELSE e.trimmed END, end_date = r.end_date
    FROM r
    WHERE e.id = ANY(ARRAY(SELECT id FROM r)) AND e.id = r.id AND e.version = r.version - 1
    RETURNING 1
), gone AS (
    DELETE FROM task_runs WHERE id = ANY(ARRAY(SELECT x::uuid FROM d, jsonb_array_elements_text(d.d->'removed') AS x))
), runs AS (
    INSERT INTO task_runs (
        id, execution_id, task_id, parent_id, value, iteration, state, histories, attempts, outputs, outputs_ref,
        dynamic, memory, seq, version)
    SELECT t.* FROM d, jsonb_to_recordset(d.d->'runs') AS t(
        id uuid, execution_id uuid, task_id text, parent_id uuid, value text, iteration int, state text,
        histories jsonb, attempts jsonb, outputs jsonb, outputs_ref bigint, dynamic boolean, memory jsonb, seq int,
        version bigint)
    ON CONFLICT (id) DO UPDATE SET
        state = excluded.state, histories = excluded.histories, attempts = excluded.attempts,
        outputs = excluded.outputs, outputs_ref = excluded.outputs_ref, dynamic = excluded.dynamic,
        memory = excluded.memory, version = excluded.version, value = excluded.value,
        iteration = excluded.iteration, parent_id = excluded.parent_id, seq = excluded.seq
)
SELECT count(*) FROM saved;

-- name: executions
SELECT row_to_json(e)::text FROM executions e WHERE id = ANY(%(ids)s::uuid[]);

-- name: executions_locked
SELECT row_to_json(e)::text FROM executions e WHERE id = ANY(%(ids)s::uuid[]) ORDER BY id FOR UPDATE;

-- name: live_children
SELECT id FROM executions
WHERE trigger_execution_id = ANY(%(ids)s::uuid[]) AND state <> ALL(%(terminal)s::text[]) ORDER BY id;

-- name: existing
SELECT id FROM executions WHERE id = ANY(%(ids)s::uuid[]) AND NOT deleted;

-- name: sibling_run
SELECT id, COALESCE(outputs, '{}')::text FROM task_runs
WHERE execution_id = %(execution)s::uuid AND task_id = %(task)s AND parent_id IS NOT DISTINCT FROM %(parent)s::uuid
ORDER BY seq DESC LIMIT 1;

-- name: children_outputs
SELECT (parent_task_run->>'iteration')::int, outputs::text FROM executions
WHERE trigger_execution_id = %(execution)s::uuid AND parent_task_run->>'taskRunId' = %(run)s AND outputs IS NOT NULL
ORDER BY 1, id;

-- name: task_runs
SELECT row_to_json(t)::text FROM task_runs t WHERE execution_id = ANY(%(ids)s::uuid[]) ORDER BY execution_id, seq;

-- name: task_runs_since
-- The changed ones only: a copy in memory is refreshed at the cost of what changed.
SELECT row_to_json(t)::text FROM jsonb_to_recordset(%(document)s::jsonb) AS r(id uuid, since bigint)
CROSS JOIN LATERAL (
    SELECT * FROM task_runs WHERE execution_id = r.id AND version > r.since ORDER BY seq OFFSET 0
) AS t;

-- name: payloads
SELECT id, value::text FROM payloads WHERE id = ANY(%(ids)s::bigint[]);

-- name: add_payload
INSERT INTO payloads (execution_id, value) VALUES (%(execution_id)s::uuid, %(value)s::jsonb) RETURNING id;

-- name: logs
WITH l AS (
    INSERT INTO logs (
        execution_id, namespace, flow_id, task_id, task_run_id, attempt, level, message, thread, timestamp)
    SELECT execution_id, namespace, flow_id, task_id, task_run_id, attempt, level, message, 'executor', timestamp
    FROM jsonb_to_recordset(%(document)s::jsonb) AS r(
        execution_id uuid, namespace text, flow_id text, task_id text, task_run_id uuid, attempt smallint,
        level smallint, message text, timestamp timestamptz)
    RETURNING id, execution_id
)
INSERT INTO queues (stream, type, execution_id, body, tries, created)
SELECT true, 'log', execution_id, jsonb_build_object('ids', jsonb_build_array(min(id), max(id))), 0, clock_timestamp()
FROM l GROUP BY execution_id;

-- name: fail_hard
-- The last resort for an execution that the engine cannot even load: no loop may stumble over it for ever.
WITH moment AS (
    SELECT to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS text
), saved AS (
    UPDATE executions SET
        state = 'FAILED', error = %(reason)s, version = version + 1, end_date = clock_timestamp(),
        histories = (CASE WHEN jsonb_typeof(histories) = 'array' THEN histories ELSE '[]'::jsonb END)
            || jsonb_build_array(jsonb_build_array('FAILED', (SELECT text FROM moment)))
    WHERE id = %(id)s::uuid AND state <> ALL(%(terminal)s::text[])
    RETURNING id, version, state, parent_task_run
), runs AS (
    UPDATE task_runs SET
        state = 'FAILED', version = saved.version,
        histories = (CASE WHEN jsonb_typeof(histories) = 'array' THEN histories ELSE '[]'::jsonb END)
            || jsonb_build_array(jsonb_build_array('FAILED', (SELECT text FROM moment)))
    FROM saved
    WHERE execution_id = saved.id AND execution_id = %(id)s::uuid AND task_runs.state <> ALL(%(terminal)s::text[])
), timers_gone AS (
    DELETE FROM timers WHERE execution_id = %(id)s::uuid
), unclaimed AS (
    DELETE FROM worker_jobs WHERE execution_id = %(id)s::uuid AND claimed_by IS NULL
), claimed AS (
    UPDATE worker_jobs SET kill = true WHERE execution_id = %(id)s::uuid AND claimed_by IS NOT NULL
), purged AS (
    DELETE FROM queues WHERE execution_id = %(id)s::uuid AND stream
), hint AS (
    INSERT INTO queues (stream, type, execution_id, body, tries, created)
    SELECT true, 'execution', id, jsonb_build_object('version', version, 'state', state), 0, clock_timestamp()
    FROM saved
)
SELECT parent_task_run::text FROM saved;
