-- What the grouped create asks for; it writes by `store`.

-- name: latest
SELECT f.namespace, f.flow_id, f.revision, f.deleted
FROM unnest(%(namespaces)s::text[], %(flows)s::text[]) AS w(namespace, flow_id)
JOIN flows f ON f.namespace = w.namespace AND f.flow_id = w.flow_id AND f.latest;

-- name: existing
SELECT id FROM executions WHERE id = ANY(%(ids)s::uuid[]);
