-- severity: fail
-- A version of a task is missing between others, so the version before it looks like the latest.
with

last_load as (
    select min(created_at) as created_from
    from task_center.task_versions
    where observed_at = (
        select arg_max(load_runs.observed_at, load_runs.load_number) from task_center.load_runs
    )
),

-- Most tasks have one version. Without them, counting takes little time and memory.
several_versions as (
    select job_id
    from task_center.task_versions
    where
        created_at >= (select last_load.created_from from last_load)
        and version > 1
)

select
    region,
    project_id,
    job_id,
    created_at,
    count(distinct version) as version_count,
    max(version) as newest_version
from task_center.task_versions
where
    created_at >= (select last_load.created_from from last_load)
    and job_id in (select several_versions.job_id from several_versions)
group by region, project_id, job_id, created_at
having count(distinct version) < max(version);
