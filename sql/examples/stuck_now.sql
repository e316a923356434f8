-- Which tasks are stuck: running longer than 95 % of the finished tasks of their kind?
-- theme: What runs
select
    task_label,
    instance_name,
    status,
    created_at,
    round(age_seconds / 3600, 1) as age_hours,
    round(typical_seconds / 3600, 1) as p95_hours,
    last_seen_at,
    job_id
from running_tasks
where is_overdue
order by age_seconds desc, job_id
