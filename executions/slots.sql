-- Concurrency limits of flows and who has a slot, or a place in the queue for one.
-- Each event has a moment of its own, later than that of every event of this limit before: the row of the limit, which
-- is locked, keeps the last. So histories tell the true order, whichever executor's clock has dated them.

-- name: make_limits
-- Rows are made on demand; both statements take them in key order, so that two batches never wait in a circle.
INSERT INTO concurrency_limits (key) SELECT unnest(%(keys)s::text[]) ORDER BY 1 ON CONFLICT DO NOTHING;

-- name: hold_limits
SELECT key FROM concurrency_limits WHERE key = ANY(%(keys)s::text[]) ORDER BY key FOR UPDATE;

-- name: acquire
-- Answers whether the execution runs, and since when; with `wait` it queues up otherwise.
WITH event AS (
    UPDATE concurrency_limits SET last = GREATEST(%(now)s::timestamptz, last + interval '1 microsecond')
    WHERE key = %(key)s RETURNING last
), used AS (
    SELECT count(*) AS n FROM concurrency_slots
    WHERE namespace = %(namespace)s AND flow_id = %(flow_id)s AND running AND execution_id <> %(id)s::uuid
), made AS (
    INSERT INTO concurrency_slots (execution_id, namespace, flow_id, running, since)
    SELECT %(id)s::uuid, %(namespace)s, %(flow_id)s, n < %(limit)s, last
    FROM used, event WHERE n < %(limit)s OR %(wait)s
    ON CONFLICT (execution_id) DO UPDATE SET running = concurrency_slots.running OR excluded.running
    RETURNING running
)
SELECT COALESCE((SELECT running FROM made), false), to_jsonb(last) #>> '{}' FROM event;

-- name: release
DELETE FROM concurrency_slots WHERE execution_id = %(id)s::uuid;

-- name: grant
-- The oldest that wait, as many as there is room; each is told, with moments in the order of the queue.
WITH event AS (
    UPDATE concurrency_limits SET last = GREATEST(%(now)s::timestamptz, last) + %(limit)s * interval '1 microsecond'
    WHERE key = %(key)s RETURNING last - %(limit)s * interval '1 microsecond' AS before
), room AS (
    SELECT GREATEST(%(limit)s - count(*), 0) AS n FROM concurrency_slots
    WHERE namespace = %(namespace)s AND flow_id = %(flow_id)s AND running
), chosen AS (
    SELECT execution_id, row_number() OVER (ORDER BY since, execution_id) AS place FROM concurrency_slots
    WHERE namespace = %(namespace)s AND flow_id = %(flow_id)s AND NOT running
    ORDER BY since, execution_id LIMIT (SELECT n FROM room)
), granted AS (
    UPDATE concurrency_slots SET running = true WHERE execution_id = ANY(ARRAY(SELECT execution_id FROM chosen))
)
INSERT INTO queues (stream, type, execution_id, body, tries, created)
SELECT false, 'slot.granted', execution_id,
    jsonb_build_object('date', before + place * interval '1 microsecond'), 0, clock_timestamp()
FROM chosen, event ORDER BY place;

-- name: orphans
-- Slots of executions that are gone or over: the keys whose waiters may go on.
WITH gone AS (
    DELETE FROM concurrency_slots s
    WHERE NOT EXISTS (
        SELECT FROM executions e WHERE e.id = s.execution_id AND e.state <> ALL(%(terminal)s::text[]))
        AND since < clock_timestamp() - interval '5 s'
    RETURNING namespace, flow_id
)
SELECT DISTINCT namespace, flow_id FROM gone;
