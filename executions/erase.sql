-- Executions leave with everything that belongs to them. Locked in id order by the caller's first statement.

-- name: lock
SELECT id, namespace, flow_id, flow_revision, state FROM executions WHERE id = ANY(%(ids)s::uuid[]) ORDER BY id FOR UPDATE;

-- name: executions
WITH runs AS (
    DELETE FROM task_runs WHERE execution_id = ANY(%(ids)s::uuid[])
), large AS (
    DELETE FROM payloads WHERE execution_id = ANY(%(ids)s::uuid[])
), work AS (
    DELETE FROM queues WHERE execution_id = ANY(%(ids)s::uuid[]) AND NOT stream
), hints AS (
    DELETE FROM queues WHERE execution_id = ANY(%(ids)s::uuid[]) AND stream
), due AS (
    DELETE FROM timers WHERE execution_id = ANY(%(ids)s::uuid[])
), slots AS (
    DELETE FROM concurrency_slots WHERE execution_id = ANY(%(ids)s::uuid[])
), unclaimed AS (
    DELETE FROM worker_jobs WHERE execution_id = ANY(%(ids)s::uuid[]) AND claimed_by IS NULL
), claimed AS (
    UPDATE worker_jobs SET kill = true WHERE execution_id = ANY(%(ids)s::uuid[]) AND claimed_by IS NOT NULL
), triggers_free AS (
    UPDATE triggers SET execution_id = NULL WHERE execution_id = ANY(%(ids)s::uuid[])
)
DELETE FROM executions WHERE id = ANY(%(ids)s::uuid[]);

-- name: logs
DELETE FROM logs WHERE execution_id = ANY(%(ids)s::uuid[]);

-- name: metrics
DELETE FROM metrics WHERE execution_id = ANY(%(ids)s::uuid[]);
