-- Which tasks took longest compared with others of their kind?
-- theme: How long tasks take
select
    task_label,
    instance_name,
    created_at,
    round(duration_seconds / 60, 1) as minutes,
    round(typical_seconds / 60, 1) as typical_minutes,
    round(times_typical, 1) as typical_times,
    status
from slow_tasks
order by times_typical desc, job_id
limit 10
