-- severity: fail
-- A window is marked complete, but the API counted more tasks in it than were read.
select
    coverage.region,
    coverage.project_id,
    coverage.run_id,
    coverage.window_from,
    coverage.window_to,
    coverage.distinct_count,
    coverage.total_count
from task_center.coverage
left join task_center.load_runs
    on
        coverage.region = load_runs.region
        and coverage.project_id = load_runs.project_id
        and coverage.run_id = load_runs.run_id
where
    coverage.observed_at = (
        select arg_max(runs.observed_at, runs.load_number) from task_center.load_runs as runs
    )
    and coverage.is_complete
    and coverage.total_count > coverage.distinct_count
    -- With a note that records are listed more than once, the rows are as many as the count.
    and coverage.reason is null
    and coalesce(load_runs.is_count_usable, true);
