-- Which tasks left the task center before a load found them finished?
-- theme: What runs
select
    created_at,
    task_label,
    instance_name,
    status,
    last_seen_at,
    job_id
from running_tasks
where is_lost_from_sight
order by created_at desc, job_id
