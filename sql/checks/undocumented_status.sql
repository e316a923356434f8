-- severity: warn
-- A status is not in the API's documentation; unless it is canceled, the task counts as running.
select
    region,
    project_id,
    job_id,
    created_at,
    status
from main.tasks
where
    last_changed_at = (
        select arg_max(load_runs.observed_at, load_runs.load_number) from task_center.load_runs
    )
    and coalesce(lower(trim(status)) not in ('running', 'completed', 'failed'), true);
