-- What were the results of the last loads?
-- theme: Completeness
select
    observed_at,
    project_id,
    project_name,
    outcome,
    new_count,
    changed_count,
    vanished_count,
    rejected_count,
    call_count
from task_center.load_runs
order by load_number desc, region, project_id
limit 14
