-- severity: fail
-- The latest state of a task differs from its newest version: tasks contradicts task_history.
with

last_load as (
    select min(created_at) as created_from
    from task_center.task_versions
    where observed_at = (
        select arg_max(load_runs.observed_at, load_runs.load_number) from task_center.load_runs
    )
),

newest_versions as (
    select
        region,
        project_id,
        job_id,
        created_at,
        max(version) as newest_version,
        arg_max(version_hash, version) as newest_hash
    from task_center.task_versions
    where created_at >= (select last_load.created_from from last_load)
    group by region, project_id, job_id, created_at
)

select
    newest_versions.region,
    newest_versions.project_id,
    newest_versions.job_id,
    newest_versions.created_at,
    newest_versions.newest_version,
    latest_states.version_count,
    newest_versions.newest_hash,
    latest_states.version_hash
from newest_versions
left join task_center.tasks as latest_states
    on
        newest_versions.region = latest_states.region
        and newest_versions.project_id = latest_states.project_id
        and newest_versions.job_id = latest_states.job_id
        and newest_versions.created_at = latest_states.created_at
where
    newest_versions.newest_version is distinct from latest_states.version_count
    or newest_versions.newest_hash is distinct from latest_states.version_hash;
