-- Log lines by what is asked for; every NULL parameter means "any".

-- name: select
SELECT id, namespace, flow_id, execution_id, task_id, task_run_id, trigger_id, attempt, level, message, thread, timestamp
FROM logs
WHERE id > %(after)s
    AND (%(execution_id)s::uuid IS NULL OR execution_id = %(execution_id)s::uuid)
    AND (%(namespace)s::text IS NULL OR namespace = %(namespace)s::text)
    AND (%(flow_id)s::text IS NULL OR flow_id = %(flow_id)s::text)
    AND (%(task_ids)s::text[] IS NULL OR task_id = ANY(%(task_ids)s::text[]))
    AND (%(levels)s::int[] IS NULL OR level = ANY(%(levels)s::int[]))
    AND (%(since)s::timestamptz IS NULL OR timestamp >= %(since)s::timestamptz)
    AND (%(until)s::timestamptz IS NULL OR timestamp <= %(until)s::timestamptz)
ORDER BY id
LIMIT %(limit)s;

-- name: purge
DELETE FROM logs WHERE id IN (
    SELECT id FROM logs
    WHERE (%(execution_id)s::uuid IS NULL OR execution_id = %(execution_id)s::uuid)
        AND (%(namespace)s::text IS NULL OR namespace = %(namespace)s::text
             OR (%(flow_id)s::text IS NULL AND starts_with(namespace, %(namespace)s::text || '.')))
        AND (%(flow_id)s::text IS NULL OR flow_id = %(flow_id)s::text)
        AND (%(task_ids)s::text[] IS NULL OR task_id = ANY(%(task_ids)s::text[]))
        AND (%(levels)s::int[] IS NULL OR level = ANY(%(levels)s::int[]))
        AND (%(since)s::timestamptz IS NULL OR timestamp >= %(since)s::timestamptz)
        AND (%(until)s::timestamptz IS NULL OR timestamp <= %(until)s::timestamptz)
    LIMIT %(limit)s
);
