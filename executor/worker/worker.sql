-- name: claim
-- The low-water mark keeps dead rows in front of the queue from being walked while an old snapshot is held open.
UPDATE worker_jobs SET claimed_by = %(worker)s, claimed_at = clock_timestamp(), claim = claim + 1
WHERE id = ANY(ARRAY(
    SELECT id FROM worker_jobs
    WHERE queue = %(queue)s AND id > %(low)s AND claimed_by IS NULL
    ORDER BY id FOR UPDATE SKIP LOCKED LIMIT %(limit)s))
RETURNING id, claim, light, kill, token::text, payload::text

-- name: take
-- Jobs named by a message of an external broker, or handed to a pool process by its parent: only while still free.
UPDATE worker_jobs j SET claimed_by = %(worker)s, claimed_at = clock_timestamp(), claim = claim + 1
FROM jsonb_to_recordset(%(jobs)s::jsonb) AS r(id bigint, token uuid)
WHERE j.id = r.id AND j.token = r.token AND (j.claimed_by IS NULL OR j.claimed_by = %(holder)s)
RETURNING j.id, j.claim, j.light, j.kill, j.token::text, j.payload::text

-- name: give_back
WITH given AS (
    UPDATE worker_jobs j SET claimed_by = NULL, claimed_at = NULL
    FROM jsonb_to_recordset(%(jobs)s::jsonb) AS r(id bigint, claim int, worker text)
    WHERE j.id = r.id AND j.claim = r.claim AND j.claimed_by = r.worker
    RETURNING j.id)
SELECT count(*), CASE WHEN count(*) > 0 THEN pg_notify('celesta_jobs', 'r') END FROM given

-- name: claimed
SELECT id, claim FROM worker_jobs WHERE claimed_by = %(worker)s

-- name: killed
SELECT id FROM worker_jobs WHERE id = ANY(%(ids)s) AND kill

-- name: enlist
INSERT INTO service_instances (id, kind, host, pid, lock_key, queues, threads, state, started, beat, facts)
VALUES (%(id)s, 'worker', %(host)s, %(pid)s, %(lock_key)s, %(queues)s::jsonb, %(threads)s, 'RUNNING',
        clock_timestamp(), clock_timestamp(), %(facts)s::jsonb)

-- name: beat
-- `drain` is what an operator asks of this worker.
UPDATE service_instances SET beat = clock_timestamp(), state = %(state)s WHERE id = %(id)s
RETURNING COALESCE((facts->>'drain')::boolean, false)

-- name: leave
DELETE FROM service_instances WHERE id = %(id)s

-- name: finish
-- One statement: a result is stored exactly when its job's claim still stands. Rows missing from the answer are refused.
-- `= ANY(ARRAY(...))` beside each join: a plan made while the table was small would walk through all its dead rows.
WITH r AS MATERIALIZED (
    SELECT x.*, CASE WHEN x.large IS NOT NULL THEN nextval(pg_get_serial_sequence('payloads', 'id')) END AS ref
    FROM jsonb_to_recordset(%(results)s::jsonb)
        AS x(id bigint, claim int, worker text, body jsonb, large jsonb)),
done AS (
    DELETE FROM worker_jobs j USING r
    WHERE j.id = ANY(ARRAY(SELECT id FROM r)) AND j.id = r.id AND j.claim = r.claim AND j.claimed_by = r.worker
    RETURNING j.id, j.execution_id),
stored AS (
    INSERT INTO payloads (id, execution_id, value) OVERRIDING SYSTEM VALUE
    SELECT r.ref, done.execution_id, r.large FROM r JOIN done USING (id) WHERE r.ref IS NOT NULL),
s AS MATERIALIZED (
    SELECT * FROM jsonb_to_recordset(%(started)s::jsonb) AS x(id bigint, claim int, worker text, body jsonb)),
started AS (
    INSERT INTO queues (stream, type, execution_id, body, tries, created)
    SELECT false, 'task.started', j.execution_id, s.body, 0, clock_timestamp()
    FROM s JOIN worker_jobs j ON j.id = s.id AND j.claim = s.claim AND j.claimed_by = s.worker
    WHERE j.id = ANY(ARRAY(SELECT id FROM s))),
sent AS (
    INSERT INTO queues (stream, type, execution_id, body, tries, created)
    SELECT false, 'task.finished', done.execution_id,
        CASE WHEN r.ref IS NULL THEN r.body ELSE r.body || jsonb_build_object('outputs_ref', r.ref) END,
        0, clock_timestamp()
    FROM r JOIN done USING (id) ORDER BY r.id),
lines AS (
    INSERT INTO logs (execution_id, namespace, flow_id, task_id, task_run_id, attempt, level, message, thread,
                      timestamp)
    SELECT execution_id, namespace, flow_id, task_id, task_run_id, attempt, level, message, thread, timestamp
    FROM jsonb_to_recordset(%(logs)s::jsonb) AS l(
        execution_id uuid, namespace text, flow_id text, task_id text, task_run_id uuid, attempt smallint,
        level smallint, message text, thread text, timestamp timestamptz)
    RETURNING id, execution_id),
hints AS (
    INSERT INTO queues (stream, type, execution_id, body, tries, created)
    SELECT true, 'log', f.execution_id, jsonb_build_object('ids', jsonb_build_array(f.first, f.last)), 0,
        clock_timestamp()
    FROM (SELECT execution_id, min(id) AS first, max(id) AS last FROM lines GROUP BY execution_id) f
    -- Lines of a fenced attempt may come after the end, when nobody follows and the last message alone shall stay.
    -- A subquery by key, not EXISTS: that may be planned as a scan of all jobs.
    WHERE (SELECT true FROM worker_jobs j WHERE j.execution_id = f.execution_id LIMIT 1)),
measured AS (
    INSERT INTO metrics (execution_id, namespace, flow_id, task_id, task_run_id, name, kind, value, tags,
                         timestamp)
    SELECT execution_id, namespace, flow_id, task_id, task_run_id, name, kind, value, tags, timestamp
    FROM jsonb_to_recordset(%(metrics)s::jsonb) AS m(
        execution_id uuid, namespace text, flow_id text, task_id text, task_run_id uuid, name text, kind text,
        value float8, tags jsonb, timestamp timestamptz))
SELECT (SELECT array_agg(id) FROM done)
