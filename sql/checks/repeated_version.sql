-- severity: fail
-- A version equals the one before it, so it records a change that did not happen.
with

last_load as (
    select min(created_at) as created_from
    from task_center.task_versions
    where observed_at = (
        select arg_max(load_runs.observed_at, load_runs.load_number) from task_center.load_runs
    )
),

-- Most tasks have one version. Without them, comparing takes little time and memory.
several_versions as (
    select job_id
    from task_center.task_versions
    where
        created_at >= (select last_load.created_from from last_load)
        and version > 1
),

versions as (
    select
        region,
        project_id,
        job_id,
        created_at,
        version,
        version_hash,
        lag(version_hash) over (
            partition by region, project_id, job_id, created_at
            order by version
        ) as previous_hash
    from task_center.task_versions
    where
        created_at >= (select last_load.created_from from last_load)
        and job_id in (select several_versions.job_id from several_versions)
)

select
    region,
    project_id,
    job_id,
    created_at,
    version,
    version_hash
from versions
where version_hash = previous_hash;
