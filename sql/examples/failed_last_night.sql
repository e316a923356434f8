-- Which failed tasks did the last load find?
-- theme: What failed
select
    created_at,
    task_label,
    instance_name,
    fail_reason,
    job_id
from nightly_changes
where is_failed
order by created_at, job_id
