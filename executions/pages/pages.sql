-- What lists of flows show of their executions. Only reads.

-- name: last_of_flows
-- The newest executions of each of the flows on a page, by the index on (namespace, flow_id, start_date).
SELECT f.namespace, f.flow_id, e.id, e.state, e.start_date, e.end_date
FROM unnest(%(namespaces)s::text[], %(flows)s::text[]) AS f(namespace, flow_id)
CROSS JOIN LATERAL (
    SELECT id, state, start_date, end_date FROM executions
    WHERE namespace = f.namespace AND flow_id = f.flow_id AND NOT deleted
    ORDER BY start_date DESC LIMIT %(limit)s::int
) AS e;

-- name: durations
-- Durations in seconds of a flow's executions that ended since a moment: median, 95 of 100, number.
SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY seconds), percentile_cont(0.95) WITHIN GROUP (ORDER BY seconds), count(*)
FROM (
    SELECT extract(epoch FROM end_date - start_date) AS seconds FROM executions
    WHERE namespace = %(namespace)s AND flow_id = %(flow)s AND NOT deleted AND end_date IS NOT NULL
      AND start_date > %(since)s ORDER BY start_date DESC LIMIT 5000
) AS ended;

-- name: compact_runs
-- Task runs for the execution page; attempts only where they are not the run itself.
SELECT id, task_id, parent_id, value, iteration, seq, histories,
    CASE WHEN jsonb_array_length(attempts) > 1 OR jsonb_path_exists(attempts, '$[*] ? (@.lost == true)') THEN attempts END
FROM task_runs WHERE execution_id = %(execution)s AND version > %(since)s AND seq > %(after)s
ORDER BY seq LIMIT %(limit)s;

-- name: metrics_of
-- One row per metric of an execution: its sum, its last value, how often it was told.
SELECT name, kind, count(*), sum(value), min(value), max(value), array_agg(value ORDER BY id)
FROM (SELECT * FROM metrics WHERE execution_id = %(id)s ORDER BY id DESC LIMIT 5000) AS m
GROUP BY name, kind ORDER BY name;

-- name: messages_by_type
-- Depth, age and size of the message table by type; `delayed` are those that wait after an error.
SELECT stream, type, count(*), min(created), COALESCE(sum(pg_column_size(q.*)), 0)::bigint,
    count(*) FILTER (WHERE not_before > clock_timestamp())
FROM queues q GROUP BY stream, type ORDER BY stream, type;

-- name: busiest_flows
-- Of the flows that the reader may see: how often each ran since a moment, how often it failed, how long it took.
SELECT namespace, flow_id, count(*), count(*) FILTER (WHERE state = 'FAILED'),
    percentile_cont(0.5) WITHIN GROUP (ORDER BY extract(epoch FROM end_date - start_date)),
    percentile_cont(0.95) WITHIN GROUP (ORDER BY extract(epoch FROM end_date - start_date))
FROM executions WHERE start_date > %(since)s AND NOT deleted
    AND (%(everywhere)s OR namespace = ANY(%(namespaces)s::text[]) OR EXISTS (
        SELECT FROM unnest(%(namespaces)s::text[]) AS n WHERE starts_with(namespace, n || '.')))
GROUP BY namespace, flow_id ORDER BY 4 DESC, 3 DESC LIMIT 8;

-- name: pulse
-- Work in flight: running, waiting, age of the oldest that waits; workers alive and their threads.
SELECT (SELECT count(*) FROM worker_jobs WHERE claimed_by IS NOT NULL), (SELECT count(*) FROM worker_jobs WHERE claimed_by IS NULL),
    (SELECT min(created) FROM worker_jobs WHERE claimed_by IS NULL),
    (SELECT count(*) FROM service_instances WHERE kind = 'worker' AND beat > clock_timestamp() - interval '10 seconds'),
    (SELECT COALESCE(sum(threads), 0) FROM service_instances WHERE kind = 'worker' AND beat > clock_timestamp() - interval '10 seconds'),
    (SELECT count(*) FROM queues WHERE NOT stream);
