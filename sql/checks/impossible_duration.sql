-- severity: fail
-- A task has a negative duration, or a duration although it has not finished.
select
    region,
    project_id,
    job_id,
    created_at,
    status,
    ended_at,
    duration_ms
from main.tasks
where
    last_changed_at = (
        select arg_max(load_runs.observed_at, load_runs.load_number) from task_center.load_runs
    )
    and (duration_ms < 0 or (duration_ms is not null and not is_finished));
