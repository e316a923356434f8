-- Which records were deleted from the task center?
-- theme: All tasks
select
    vanished_at,
    created_at,
    task_label,
    instance_name,
    status,
    job_id
from tasks
where vanished_at is not null
order by vanished_at desc, job_id
