-- Which instances were scaled, and how long did it take?
-- theme: Instances
select
    instance_name,
    task_label,
    created_at,
    round(duration_seconds / 60, 1) as minutes,
    status
from tasks
where category = 'scale'
order by created_at desc, job_id
limit 20
