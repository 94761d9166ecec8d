-- name: get
SELECT namespace, key, type, value::text, description, created, updated, expires
FROM key_values
WHERE namespace = ANY(%(namespaces)s) AND key = %(key)s AND (expires IS NULL OR expires > clock_timestamp())

-- name: put
-- An expired pair is as good as none.
INSERT INTO key_values AS kv (namespace, key, type, value, description, expires, created, updated)
VALUES (%(namespace)s, %(key)s, %(type)s, %(value)s::jsonb, coalesce(%(description)s, ''),
        clock_timestamp() + make_interval(secs => %(seconds)s), clock_timestamp(), clock_timestamp())
ON CONFLICT (namespace, key) DO UPDATE
SET type = excluded.type, value = excluded.value, expires = excluded.expires, updated = excluded.updated,
    description = coalesce(%(description)s, kv.description)
WHERE %(overwrite)s OR kv.expires <= clock_timestamp()
RETURNING namespace, key, type, value::text, description, created, updated, expires

-- name: delete
DELETE FROM key_values
WHERE namespace = %(namespace)s AND key = ANY(%(keys)s) AND (expires IS NULL OR expires > clock_timestamp())
RETURNING key

-- name: list
SELECT namespace, key, type, value::text, description, created, updated, expires
FROM key_values
WHERE namespace = %(namespace)s AND starts_with(key, %(prefix)s)
    AND (expires IS NULL OR expires > clock_timestamp())
ORDER BY key

-- name: everywhere
SELECT namespace, key FROM key_values
WHERE NOT %(expired_only)s OR expires <= clock_timestamp()
ORDER BY namespace, key

-- name: purge
-- One that was set again in the meantime is not expired any more.
DELETE FROM key_values
WHERE (namespace, key) IN (SELECT * FROM unnest(%(namespaces)s::text[], %(keys)s::text[]))
    AND (NOT %(expired_only)s OR expires <= clock_timestamp())
