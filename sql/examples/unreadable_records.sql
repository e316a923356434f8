-- Which records could not be read as tasks, and why?
select
    observed_at,
    project_id,
    reason,
    job_id,
    raw
from task_center.rejected_records
order by observed_at desc, record_hash
limit 20
