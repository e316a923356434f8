-- Which restores were made, to which instance, and with which result?
-- theme: Backups and restores
select
    created_at,
    task_label,
    instance_name,
    status,
    round(duration_seconds / 60, 1) as minutes,
    fail_reason,
    job_id
from tasks
where category = 'restore'
order by created_at desc, job_id
limit 20
