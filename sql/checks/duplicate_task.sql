-- severity: fail
-- A task has more than one row, so counts, rates and durations include it more than once.
with

last_load as (
    select min(created_at) as created_from
    from task_center.tasks
    where last_seen_at = (
        select arg_max(load_runs.observed_at, load_runs.load_number) from task_center.load_runs
    )
)

select
    region,
    project_id,
    job_id,
    created_at,
    count(*) as row_count
from task_center.tasks
where created_at >= (select last_load.created_from from last_load)
group by region, project_id, job_id, created_at
having count(*) > 1;
