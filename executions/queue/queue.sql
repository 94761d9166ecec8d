-- Messages, dead letters, timers and worker jobs.
-- `= ANY(ARRAY(...))` keeps cached plans on the index even when they were made while the table was empty.

-- name: publish
-- In array order, which is the order of ids.
INSERT INTO queues (stream, type, execution_id, body, tries, created)
SELECT COALESCE((x.value->>'stream')::boolean, false), x.value->>'type', (x.value->>'execution_id')::uuid,
    x.value->'body', 0, clock_timestamp()
FROM jsonb_array_elements(%(document)s::jsonb) WITH ORDINALITY AS x(value, position)
ORDER BY x.position;

-- name: notify
SELECT pg_notify(%(channel)s, %(payload)s);

-- name: notify_all
SELECT pg_notify(channel, '') FROM unnest(%(channels)s::text[]) AS channel;

-- name: ring
-- A transaction of its own that does not wait for the disk: NOTIFY holds a database-wide lock until its commit is done.
SELECT set_config('synchronous_commit', 'off', true), pg_notify(channel, '')
FROM unnest(%(channels)s::text[]) AS channel;

-- name: claim
-- Executions with pending messages are locked (never waited for), then all their due messages are taken.
-- A new execution comes with its row: nobody holds it in memory yet.
WITH candidate AS (
    SELECT DISTINCT execution_id FROM (
        SELECT execution_id FROM queues
        WHERE NOT stream AND id > %(low)s::bigint AND (not_before IS NULL OR not_before <= now())
        ORDER BY id LIMIT %(scan)s::int) AS pending
), locked AS (
    SELECT id, version, trimmed, CASE WHEN version <= 1 THEN row_to_json(e)::text END AS row
    FROM executions e WHERE id = ANY(ARRAY(SELECT execution_id FROM candidate))
    ORDER BY id LIMIT %(batch)s::int FOR UPDATE SKIP LOCKED
), taken AS (
    DELETE FROM queues
    WHERE NOT stream AND execution_id = ANY(ARRAY(SELECT id FROM locked))
        AND (not_before IS NULL OR not_before <= now())
    RETURNING execution_id, id, type, body, tries, created
), grouped AS (
    SELECT execution_id, json_agg(json_build_array(id, type, body, tries, created) ORDER BY id)::text AS messages
    FROM taken GROUP BY execution_id
)
SELECT l.id, l.version, l.trimmed, l.row, g.messages FROM locked l JOIN grouped g ON g.execution_id = l.id
ORDER BY l.id;

-- name: claim_only
-- The same for named executions, and optionally named messages, whatever their back-off.
WITH locked AS (
    SELECT id, version, trimmed, row_to_json(e)::text AS row
    FROM executions e WHERE id = ANY(%(executions)s::uuid[]) ORDER BY id FOR UPDATE SKIP LOCKED
), taken AS (
    DELETE FROM queues
    WHERE NOT stream AND execution_id = ANY(ARRAY(SELECT id FROM locked))
        AND (%(messages)s::bigint[] IS NULL OR id = ANY(%(messages)s::bigint[]))
    RETURNING execution_id, id, type, body, tries, created
), grouped AS (
    SELECT execution_id, json_agg(json_build_array(id, type, body, tries, created) ORDER BY id)::text AS messages
    FROM taken GROUP BY execution_id
)
SELECT l.id, l.version, l.trimmed, l.row, g.messages FROM locked l JOIN grouped g ON g.execution_id = l.id
ORDER BY l.id;

-- name: put_back
-- Messages claimed in this very transaction return under their own ids, invisible until `seconds` from now.
INSERT INTO queues (id, stream, type, execution_id, body, tries, not_before, created)
SELECT id, false, type, execution_id, body, tries, clock_timestamp() + make_interval(secs => %(seconds)s), created
FROM jsonb_to_recordset(%(document)s::jsonb) AS r(
    id bigint, type text, execution_id uuid, body jsonb, tries smallint, created timestamptz);

-- name: hide
UPDATE queues SET not_before = clock_timestamp() + make_interval(secs => %(seconds)s)
WHERE id = ANY(%(ids)s::bigint[]) AND NOT stream;

-- name: postpone
UPDATE queues SET tries = tries + 1, not_before = clock_timestamp() + make_interval(secs => %(seconds)s)
WHERE id = ANY(%(ids)s::bigint[]) AND NOT stream RETURNING tries;

-- name: park
-- The execution is told, so that it ends FAILED with the reason instead of waiting for ever.
WITH parked AS (
    DELETE FROM queues WHERE id = ANY(%(ids)s::bigint[]) AND NOT stream
    RETURNING type, execution_id, body, tries, created
), kept AS (
    INSERT INTO dead_letters (type, execution_id, body, error, tries, created, parked)
    SELECT type, execution_id, body, %(error)s, tries, created, clock_timestamp() FROM parked
)
INSERT INTO queues (stream, type, execution_id, body, tries, created)
SELECT DISTINCT ON (execution_id) false, 'execution.poisoned', execution_id,
    jsonb_build_object('reason', %(reason)s::text), 0, clock_timestamp()
FROM parked WHERE type <> 'execution.poisoned' AND execution_id IS NOT NULL;

-- name: park_strays
-- Messages of executions that do not exist (deleted while a worker was busy): nobody would ever claim them.
WITH stray AS (
    DELETE FROM queues WHERE id = ANY(ARRAY(
        SELECT id FROM queues q
        WHERE NOT stream AND created < clock_timestamp() - make_interval(secs => %(seconds)s)
            AND NOT EXISTS (SELECT FROM executions e WHERE e.id = q.execution_id)
        ORDER BY id LIMIT 1000))
    RETURNING type, execution_id, body, tries, created
)
INSERT INTO dead_letters (type, execution_id, body, error, tries, created, parked)
SELECT type, execution_id, body, 'the execution does not exist', tries, created, clock_timestamp() FROM stray;

-- name: redrive
WITH chosen AS (
    DELETE FROM dead_letters WHERE id = ANY(%(ids)s::bigint[])
        AND EXISTS (SELECT FROM executions e WHERE e.id = dead_letters.execution_id)
    RETURNING type, execution_id, body
)
INSERT INTO queues (stream, type, execution_id, body, tries, created)
SELECT false, type, execution_id, body, 0, clock_timestamp() FROM chosen;

-- name: purge
-- The end of executions: their hints and timers go; the caller publishes the last hint after this.
WITH timers_gone AS (
    DELETE FROM timers WHERE execution_id = ANY(%(ids)s::uuid[])
)
DELETE FROM queues WHERE stream AND execution_id = ANY(%(ids)s::uuid[]);

-- name: oldest_work
SELECT count(*), extract(epoch FROM clock_timestamp() - min(created)) FROM queues WHERE NOT stream;

-- name: set_timers
INSERT INTO timers (execution_id, kind, key, due, variables)
SELECT DISTINCT ON (execution_id, kind, key) execution_id, kind, key, due, variables
FROM ROWS FROM (jsonb_to_recordset(%(document)s::jsonb) AS (
    execution_id uuid, kind text, key text, due timestamptz, variables jsonb)) WITH ORDINALITY
    AS r(execution_id, kind, key, due, variables, position)
ORDER BY execution_id, kind, key, position DESC
ON CONFLICT (execution_id, kind, key) DO UPDATE SET due = excluded.due, variables = excluded.variables;

-- name: next_timer
SELECT extract(epoch FROM min(due) - clock_timestamp())::float8 FROM timers;

-- name: fire_timers
WITH due AS (
    DELETE FROM timers WHERE id = ANY(ARRAY(
        SELECT id FROM timers WHERE due <= clock_timestamp() ORDER BY due LIMIT 500 FOR UPDATE SKIP LOCKED))
    RETURNING execution_id, kind, key, due, variables
), fired AS (
    INSERT INTO queues (stream, type, execution_id, body, tries, created)
    SELECT false, 'timer.fired', execution_id,
        jsonb_build_object('kind', kind, 'key', key, 'variables', variables), 0, clock_timestamp()
    FROM due ORDER BY due.due
    RETURNING 1
)
SELECT count(*), CASE WHEN count(*) > 0 THEN pg_notify('celesta_work', '') END FROM fired;

-- name: add_jobs
INSERT INTO worker_jobs (
    queue, execution_id, task_run_id, token, task_type, light, payload, claim, deaths, kill, created)
SELECT x.value->>'queue', (x.value->>'execution_id')::uuid, (x.value->>'task_run_id')::uuid,
    (x.value->>'token')::uuid, x.value->>'task_type', (x.value->>'light')::boolean, x.value->'payload', 0, 0, false,
    clock_timestamp()
FROM jsonb_array_elements(%(document)s::jsonb) WITH ORDINALITY AS x(value, position)
ORDER BY x.position
RETURNING id, queue, token, light;

-- name: stop_jobs
-- Nobody runs the unclaimed ones: they end here. The claimed ones are marked; their workers are told.
WITH dropped AS (
    DELETE FROM worker_jobs WHERE task_run_id = ANY(%(ids)s::uuid[]) AND claimed_by IS NULL
    RETURNING execution_id, payload->>'task_run_id' AS task_run_id, payload->>'token' AS token
), told AS (
    INSERT INTO queues (stream, type, execution_id, body, tries, created)
    SELECT false, 'task.finished', execution_id,
        jsonb_build_object('task_run_id', task_run_id, 'token', token, 'state', 'KILLED'), 0, clock_timestamp()
    FROM dropped
    RETURNING 1
), marked AS (
    UPDATE worker_jobs SET kill = true
    WHERE task_run_id = ANY(%(ids)s::uuid[]) AND claimed_by IS NOT NULL
    RETURNING 1
)
SELECT (SELECT count(*) FROM told), (SELECT count(*) FROM marked);

-- name: lose_jobs
-- Jobs of workers that are gone: each attempt ends as lost (the engine runs it again), or as killed if it was to be.
WITH lost AS (
    DELETE FROM worker_jobs WHERE id = ANY(ARRAY(
        SELECT j.id FROM worker_jobs j
        WHERE claimed_by IS NOT NULL AND claimed_at < clock_timestamp() - make_interval(secs => %(seconds)s)
            AND NOT EXISTS (SELECT FROM service_instances s WHERE s.id = j.claimed_by)
        ORDER BY j.id LIMIT 1000 FOR UPDATE SKIP LOCKED))
    RETURNING execution_id, payload->>'task_run_id' AS task_run_id, payload->>'token' AS token, kill, claimed_by,
        claimed_at
), told AS (
    INSERT INTO queues (stream, type, execution_id, body, tries, created)
    SELECT false, 'task.finished', execution_id, jsonb_build_object(
        'task_run_id', task_run_id, 'token', token, 'state', CASE WHEN kill THEN 'KILLED' ELSE 'FAILED' END,
        'worker', claimed_by, 'lost', NOT kill,
        'started', to_char(claimed_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
        'error', 'worker ' || claimed_by || ' was lost'), 0, clock_timestamp()
    FROM lost
)
SELECT execution_id, task_run_id, claimed_by FROM lost;

-- name: unclaimed_jobs
SELECT id, queue, token, light FROM worker_jobs
WHERE claimed_by IS NULL AND created < clock_timestamp() - make_interval(secs => %(seconds)s)
ORDER BY id LIMIT 1000;

-- name: served_queues
SELECT DISTINCT jsonb_array_elements_text(queues) FROM service_instances
WHERE kind = 'worker' AND state = 'RUNNING' AND beat > clock_timestamp() - interval '8 s';

-- name: sizes
SELECT stream, type, count(*), COALESCE(sum(pg_column_size(q.*)), 0)::bigint FROM queues q GROUP BY 1, 2 ORDER BY 1, 2;

-- name: count_old
SELECT type, count(*) FROM queues
WHERE stream AND (%(types)s::text[] IS NULL OR type = ANY(%(types)s::text[]))
    AND NOT (type = ANY(%(not_types)s::text[])) AND created < clock_timestamp() - make_interval(secs => %(seconds)s)
GROUP BY type;

-- name: clean
-- One bounded batch, by id: a range of the primary key is read, never the whole table at once.
WITH span AS (
    SELECT id, stream, type, created FROM queues WHERE id > %(after)s ORDER BY id LIMIT %(batch)s
), gone AS (
    DELETE FROM queues WHERE id = ANY(ARRAY(
        SELECT id FROM span
        WHERE stream AND (%(types)s::text[] IS NULL OR type = ANY(%(types)s::text[]))
            AND NOT (type = ANY(%(not_types)s::text[]))
            AND created < clock_timestamp() - make_interval(secs => %(seconds)s)))
    RETURNING 1
)
SELECT (SELECT max(id) FROM span), (SELECT count(*) FROM gone);
