-- name: strangers
-- Whether somebody who may write flows in one namespace lacks a role in another. Tokens count as people of their own:
-- they may be limited to namespaces that their owner is not limited to.
WITH authors AS (
    SELECT DISTINCT m.user_id AS id
    FROM auth_user_groups m
    JOIN auth_user u ON u.id = m.user_id
    JOIN namespace_grants g ON g.group_id = m.group_id
    WHERE u.is_active AND NOT u.is_superuser AND g.role = ANY(%(authors)s) AND g.namespace = ANY(%(own)s)
)
SELECT EXISTS (
    SELECT FROM authors a WHERE NOT EXISTS (
        SELECT FROM auth_user_groups m JOIN namespace_grants g ON g.group_id = m.group_id
        WHERE m.user_id = a.id AND g.role = ANY(%(roles)s) AND g.namespace = ANY(%(other)s)
    )
) OR EXISTS (
    SELECT FROM api_tokens t JOIN auth_user u ON u.id = t.user_id
    WHERE u.is_active AND (t.expires IS NULL OR t.expires > now())
      AND (u.is_superuser OR EXISTS (SELECT FROM authors a WHERE a.id = u.id))
      AND (t.scopes = '[]' OR t.scopes ?| %(authors)s)
      AND t.namespaces ?| %(own)s AND NOT t.namespaces ?| %(other)s
)

-- name: owner
SELECT namespace FROM executions WHERE id = %(id)s::uuid
