-- severity: warn
-- The end of a finished task is not a time; extra keeps it, and the task has no duration here.
select
    region,
    project_id,
    job_id,
    created_at,
    status,
    extra ->> 'ended_at' as ended_at_as_sent
from main.tasks
where
    last_changed_at = (
        select arg_max(load_runs.observed_at, load_runs.load_number) from task_center.load_runs
    )
    and is_finished
    and ended_at is null
    and (extra ->> 'ended_at') is not null;
