-- severity: warn
-- A job_id has more than one start; they count as different tasks.
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
    min(created_at) as first_created_at,
    max(created_at) as last_created_at
from task_center.tasks
where created_at >= (select last_load.created_from from last_load)
group by region, project_id, job_id
having
    min(created_at) < max(created_at)
    -- Reported once, by the load that saw the later of the two first.
    and max(first_seen_at) = (
        select arg_max(load_runs.observed_at, load_runs.load_number) from task_center.load_runs
    );
