-- Running processes.

-- name: enlist
INSERT INTO service_instances (id, kind, host, pid, lock_key, queues, threads, state, started, beat, facts)
VALUES (%(id)s, %(kind)s, %(host)s, %(pid)s, %(lock_key)s, '[]', %(threads)s, 'RUNNING', clock_timestamp(),
    clock_timestamp(), %(facts)s::jsonb)
ON CONFLICT (id) DO NOTHING;

-- name: beat
UPDATE service_instances SET beat = clock_timestamp(), state = %(state)s, facts = %(facts)s::jsonb WHERE id = %(id)s;

-- name: leave
DELETE FROM service_instances WHERE id = %(id)s;

-- name: look
-- An autocommitted statement: a lock that was free is held for its duration only.
SELECT id, kind, beat::text, lock_key IS NOT NULL AND pg_try_advisory_xact_lock(lock_key)
FROM service_instances WHERE id <> %(self)s;

-- name: bury
-- Only those that did not beat since they were looked at. A frozen executor may hold its executions in the middle of a
-- pipeline, where the server counts neither as idle nor as busy: no timeout ends that session, so it is ended here.
WITH gone AS (
    DELETE FROM service_instances s USING jsonb_to_recordset(%(document)s::jsonb) AS r(id text, beat text)
    WHERE s.id = r.id AND s.beat::text = r.beat
    RETURNING s.id, s.kind, ' ' || s.pid || '@' || left(s.host, 20) AS owner
)
SELECT id, kind, (
    SELECT count(*) FILTER (WHERE pg_terminate_backend(a.pid)) FROM pg_stat_activity a
    WHERE a.usename = current_user AND a.application_name LIKE 'celesta executor %%'
        AND right(a.application_name, length(owner)) = owner
) FROM gone;
