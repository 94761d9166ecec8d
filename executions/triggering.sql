-- What triggers remember: windows of conditions that several executions meet, budgets against storms, last firings.

-- name: open_windows
-- A row per key, made in one order for everybody.
INSERT INTO trigger_windows (namespace, flow_id, trigger_id, condition_id, met, outputs, created, updated)
SELECT namespace, flow_id, trigger_id, condition_id, '{}', '{}', now(), now()
FROM jsonb_to_recordset(%(document)s::jsonb) AS r(namespace text, flow_id text, trigger_id text, condition_id text)
ORDER BY namespace, flow_id, trigger_id, condition_id
ON CONFLICT (namespace, flow_id, trigger_id, condition_id) DO NOTHING;

-- name: lock_windows
SELECT w.namespace, w.flow_id, w.trigger_id, w.condition_id, w.met::text, w.outputs::text
FROM trigger_windows w
JOIN jsonb_to_recordset(%(document)s::jsonb) AS r(namespace text, flow_id text, trigger_id text, condition_id text)
    USING (namespace, flow_id, trigger_id, condition_id)
ORDER BY w.namespace, w.flow_id, w.trigger_id, w.condition_id FOR UPDATE OF w;

-- name: save_windows
UPDATE trigger_windows w SET met = r.met, outputs = r.outputs, updated = now()
FROM jsonb_to_recordset(%(document)s::jsonb) AS r(
    namespace text, flow_id text, trigger_id text, condition_id text, met jsonb, outputs jsonb)
WHERE (w.namespace, w.flow_id, w.trigger_id, w.condition_id)
    = (r.namespace, r.flow_id, r.trigger_id, r.condition_id);

-- name: spend
-- What has come of each origin after this many more; in one order for everybody.
INSERT INTO lineages AS l (origin, started, updated)
SELECT origin, started, now()
FROM jsonb_to_recordset(%(document)s::jsonb) AS r(origin text, started bigint) ORDER BY origin
ON CONFLICT (origin) DO UPDATE SET started = l.started + excluded.started, updated = now()
RETURNING origin, started;

-- name: disabled
SELECT namespace, flow_id, trigger_id FROM triggers WHERE disabled;

-- name: fired
-- When triggers have last started an execution; rows locked in one order. Their `execution_id` stays empty: that would
-- say that they wait for its end.
WITH r AS (
    SELECT DISTINCT namespace, flow_id, trigger_id
    FROM jsonb_to_recordset(%(document)s::jsonb) AS r(namespace text, flow_id text, trigger_id text)
), locked AS (
    SELECT t.id FROM triggers t JOIN r USING (namespace, flow_id, trigger_id) ORDER BY t.id FOR UPDATE OF t
)
UPDATE triggers t SET last_date = now(), updated = now() FROM locked WHERE t.id = locked.id;

-- name: follow_flow
-- Rows for the triggers of a flow's latest revision; those of triggers that it has no more go, with what they remember.
WITH gone AS (
    DELETE FROM triggers WHERE namespace = %(namespace)s AND flow_id = %(flow_id)s
        AND trigger_id <> ALL(%(ids)s::text[])
), windows AS (
    DELETE FROM trigger_windows WHERE namespace = %(namespace)s AND flow_id = %(flow_id)s
        AND trigger_id <> ALL(%(ids)s::text[])
)
INSERT INTO triggers (namespace, flow_id, trigger_id, disabled, state, updated)
SELECT %(namespace)s, %(flow_id)s, id, false, '{}', now() FROM unnest(%(ids)s::text[]) AS id
ON CONFLICT (namespace, flow_id, trigger_id) DO NOTHING;

-- name: stop
-- Switched off, rows locked in one order.
WITH r AS (
    SELECT DISTINCT namespace, flow_id, trigger_id
    FROM jsonb_to_recordset(%(document)s::jsonb) AS r(namespace text, flow_id text, trigger_id text)
), locked AS (
    SELECT t.id FROM triggers t JOIN r USING (namespace, flow_id, trigger_id) ORDER BY t.id FOR UPDATE OF t
)
UPDATE triggers t SET disabled = true, updated = now() FROM locked WHERE t.id = locked.id;

-- name: switch
UPDATE triggers SET disabled = %(disabled)s, updated = now()
WHERE namespace = %(namespace)s AND flow_id = %(flow_id)s AND trigger_id = %(trigger_id)s RETURNING id;

-- name: forget_lineages
DELETE FROM lineages WHERE updated < now() - make_interval(secs => %(seconds)s);
