-- severity: fail
-- A version of a task has more than one row, so its history is not reliable.
with

last_load as (
    select min(created_at) as created_from
    from task_center.task_versions
    where observed_at = (
        select arg_max(load_runs.observed_at, load_runs.load_number) from task_center.load_runs
    )
)

select
    region,
    project_id,
    job_id,
    created_at,
    version,
    count(*) as row_count
from task_center.task_versions
where created_at >= (select last_load.created_from from last_load)
group by region, project_id, job_id, created_at, version
having count(*) > 1;
