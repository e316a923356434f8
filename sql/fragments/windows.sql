-- one row per window that is not empty, complete or not
-- Nothing after the last load's clock is covered; an earlier load's clock may have been ahead.
select
    coverage.region,
    coverage.project_id,
    coverage.covered_from,
    least(coverage.covered_to, last_loads.observed_at) as covered_to,
    coverage.is_complete
from task_center.coverage
left join main.last_loads
    on
        coverage.region = last_loads.region
        and coverage.project_id = last_loads.project_id
where coverage.covered_from < least(coverage.covered_to, last_loads.observed_at)
