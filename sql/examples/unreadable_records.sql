-- Which records could not be read as tasks, and why?
-- theme: Completeness
select
    observed_at,
    project_id,
    reason,
    job_id,
    raw
from task_center.rejected_records
order by observed_at desc, record_hash
limit 20
