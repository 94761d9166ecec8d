-- name: find
SELECT value FROM secrets
WHERE namespace = ANY(%(namespaces)s) AND key = %(key)s
ORDER BY length(namespace) DESC LIMIT 1

-- name: put
INSERT INTO secrets AS s (namespace, key, value, description, created, updated)
VALUES (%(namespace)s, %(key)s, %(value)s, %(description)s, clock_timestamp(), clock_timestamp())
ON CONFLICT (namespace, key) DO UPDATE
SET value = excluded.value, updated = excluded.updated,
    description = coalesce(nullif(excluded.description, ''), s.description)

-- name: delete
DELETE FROM secrets WHERE namespace = %(namespace)s AND key = %(key)s

-- name: names
SELECT namespace, key FROM secrets WHERE namespace = ANY(%(namespaces)s) ORDER BY namespace, key
