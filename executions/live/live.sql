-- What the stream consumer of a web process reads. It never writes and never locks.

-- name: hints
SELECT id, type, execution_id, body::text, extract(epoch FROM clock_timestamp() - created)::float8 FROM queues
WHERE stream AND id > %(high)s::bigint ORDER BY id LIMIT %(limit)s::int;

-- name: late_hints
-- Rows whose numbers were given out before, but which were committed after a reader had passed them.
SELECT id, type, execution_id, body::text, extract(epoch FROM clock_timestamp() - created)::float8 FROM queues
WHERE stream AND id = ANY(%(gaps)s::bigint[]);

-- name: highest
SELECT COALESCE(max(id), 0) FROM queues;

-- name: versions
SELECT id, version FROM executions WHERE id = ANY(%(ids)s::uuid[]);

-- name: namespaces
SELECT id, namespace, version FROM executions WHERE id = ANY(%(ids)s::uuid[]) AND NOT deleted;

-- name: executions
SELECT row_to_json(e)::text FROM executions e WHERE id = ANY(%(ids)s::uuid[]);

-- name: runs_since
SELECT row_to_json(t)::text FROM unnest(%(ids)s::uuid[], %(versions)s::bigint[]) AS r(id, version)
CROSS JOIN LATERAL (
    SELECT * FROM task_runs WHERE execution_id = r.id AND version > r.version ORDER BY seq OFFSET 0
) AS t;

-- name: payloads
SELECT id, value::text FROM payloads WHERE id = ANY(%(ids)s::bigint[]);

-- name: log_ids
SELECT id FROM logs WHERE execution_id = %(id)s::uuid AND id > %(floor)s::bigint ORDER BY id;

-- name: logs
SELECT id, execution_id, namespace, flow_id, task_id, task_run_id, trigger_id, attempt, level, message, thread, timestamp
FROM logs WHERE id = ANY(%(ids)s::bigint[]);

-- name: summaries
SELECT id, namespace, flow_id, flow_revision, state, version, labels::text AS labels, trigger->>'id' AS trigger_id,
    start_date, end_date
FROM executions WHERE id = ANY(%(ids)s::uuid[]) AND NOT deleted;

-- name: correlated
-- All executions with the correlation id of this one.
SELECT e.id, e.namespace, e.flow_id, e.state, e.version, e.histories::text AS histories FROM executions e
WHERE NOT e.deleted AND (e.id = %(id)s::uuid OR e.labels @> (
    SELECT jsonb_build_array(label) FROM executions o, jsonb_array_elements(o.labels) AS label
    WHERE o.id = %(id)s::uuid AND label->>'key' = 'system.correlationId' LIMIT 1))
ORDER BY e.start_date, e.id LIMIT 1000;

-- name: started_by
-- The execution, and what it started, to any depth.
WITH RECURSIVE chain AS (
    SELECT id, 0 AS depth FROM executions WHERE id = %(id)s::uuid
    UNION ALL
    SELECT e.id, c.depth + 1 FROM executions e JOIN chain c ON e.trigger_execution_id = c.id WHERE c.depth < 50
)
SELECT e.id, e.namespace, e.flow_id, e.state, e.version, e.histories::text AS histories
FROM chain c JOIN executions e ON e.id = c.id WHERE NOT e.deleted ORDER BY e.start_date, e.id LIMIT 1000;
