-- severity: warn
-- According to the API, a finished task ended before it started; it has no duration here.
select
    region,
    project_id,
    job_id,
    created_at,
    ended_at,
    status
from main.tasks
where
    last_changed_at = (
        select arg_max(load_runs.observed_at, load_runs.load_number) from task_center.load_runs
    )
    and is_finished
    and ended_at < created_at;
