-- Executions by flow, namespace, state and start; every NULL parameter means "any".

-- name: count_flows
SELECT namespace, flow_id, count(*)
FROM executions
WHERE NOT deleted
    AND (%(flow_ids)s::text[] IS NULL OR (namespace, flow_id) IN (
        SELECT * FROM unnest(%(flow_namespaces)s::text[], %(flow_ids)s::text[])))
    AND (%(namespaces)s::text[] IS NULL OR namespace = ANY(%(namespaces)s::text[]))
    AND (%(prefix)s::text IS NULL OR namespace = %(prefix)s::text OR starts_with(namespace, %(prefix)s::text || '.'))
    AND (%(states)s::text[] IS NULL OR state = ANY(%(states)s::text[]))
    AND (%(since)s::timestamptz IS NULL OR start_date >= %(since)s::timestamptz)
    AND (%(until)s::timestamptz IS NULL OR start_date <= %(until)s::timestamptz)
GROUP BY namespace, flow_id;

-- name: count_namespaces
SELECT namespace, NULL::text, count(*)
FROM executions
WHERE NOT deleted
    AND namespace = ANY(%(namespaces)s::text[])
    AND (%(states)s::text[] IS NULL OR state = ANY(%(states)s::text[]))
    AND (%(since)s::timestamptz IS NULL OR start_date >= %(since)s::timestamptz)
    AND (%(until)s::timestamptz IS NULL OR start_date <= %(until)s::timestamptz)
GROUP BY namespace;

-- name: ended
-- What still runs is never purged: its next message would find nothing.
SELECT id, namespace, flow_id
FROM executions
WHERE end_date IS NOT NULL
    AND (%(after)s::uuid IS NULL OR id > %(after)s::uuid)
    AND (%(flow_ids)s::text[] IS NULL OR (namespace, flow_id) IN (
        SELECT * FROM unnest(%(flow_namespaces)s::text[], %(flow_ids)s::text[])))
    AND (%(namespaces)s::text[] IS NULL OR namespace = ANY(%(namespaces)s::text[]))
    AND (%(prefix)s::text IS NULL OR namespace = %(prefix)s::text OR starts_with(namespace, %(prefix)s::text || '.'))
    AND (%(states)s::text[] IS NULL OR state = ANY(%(states)s::text[]))
    AND (%(since)s::timestamptz IS NULL OR end_date >= %(since)s::timestamptz)
    AND (%(until)s::timestamptz IS NULL OR end_date <= %(until)s::timestamptz)
ORDER BY id
LIMIT %(limit)s;
