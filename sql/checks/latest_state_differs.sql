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

latest_hashes as (
    select hash(region, project_id, job_id, created_at, version_count, version_hash) as row_hash
    from task_center.tasks
    where created_at >= (select last_load.created_from from last_load)
),

-- Earlier versions, and newest ones that differ. Most tasks have one version: few rows are left.
-- To join hashes of 64 bits takes a third of the time of joining all columns.
unequal_versions as (
    select
        versions.region,
        versions.project_id,
        versions.job_id,
        versions.created_at,
        versions.version,
        versions.version_hash
    from task_center.task_versions as versions
    left join latest_hashes
        on
            hash(
                versions.region,
                versions.project_id,
                versions.job_id,
                versions.created_at,
                versions.version,
                versions.version_hash
            ) = latest_hashes.row_hash
    where
        versions.created_at >= (select last_load.created_from from last_load)
        and latest_hashes.row_hash is null
),

newest_versions as (
    select
        region,
        project_id,
        job_id,
        created_at,
        max(version) as newest_version
    from task_center.task_versions
    where
        created_at >= (select last_load.created_from from last_load)
        and job_id in (select unequal_versions.job_id from unequal_versions)
    group by region, project_id, job_id, created_at
)

select
    unequal_versions.region,
    unequal_versions.project_id,
    unequal_versions.job_id,
    unequal_versions.created_at,
    newest_versions.newest_version,
    latest_states.version_count,
    unequal_versions.version_hash as newest_hash,
    latest_states.version_hash
from unequal_versions
inner join newest_versions
    on
        unequal_versions.region = newest_versions.region
        and unequal_versions.project_id = newest_versions.project_id
        and unequal_versions.job_id = newest_versions.job_id
        and unequal_versions.created_at = newest_versions.created_at
        and unequal_versions.version = newest_versions.newest_version
left join task_center.tasks as latest_states
    on
        unequal_versions.region = latest_states.region
        and unequal_versions.project_id = latest_states.project_id
        and unequal_versions.job_id = latest_states.job_id
        and unequal_versions.created_at = latest_states.created_at;
