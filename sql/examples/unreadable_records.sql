-- Which records could not be read as tasks, and why?
-- theme: Completeness
select
    records.observed_at,
    records.project_id,
    last_loads.project_name,
    records.reason,
    records.job_id,
    records.raw
from task_center.rejected_records as records
left join last_loads
    on records.region = last_loads.region and records.project_id = last_loads.project_id
order by records.observed_at desc, records.record_hash
limit 20
