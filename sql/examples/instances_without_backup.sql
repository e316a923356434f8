-- Which instances had no successful manual backup for several days?
-- theme: Backups and restores
-- set days: the number of days, by default 7
with

newest as (
    select
        max(observed_at) as loaded_at,
        coalesce(cast(getvariable('days') as integer), 7) as day_count
    from last_loads
),

instances as (
    select
        region,
        project_id,
        instance_id,
        arg_max(instance_name, created_at) as instance_name,
        max(created_at) as last_task_at,
        max(created_at) filter (
            where category = 'delete' and is_finished and not is_failed
        ) as deleted_at,
        max(ended_at) filter (
            where category = 'backup' and is_finished and not is_failed
        ) as last_backup_at
    from tasks
    where instance_id <> ''
    group by region, project_id, instance_id
)

select
    instances.instance_name,
    instances.last_backup_at,
    instances.last_task_at,
    instances.instance_id
from instances
cross join newest
where
    instances.deleted_at is null
    and coalesce(instances.last_backup_at < newest.loaded_at - to_days(newest.day_count), true)
order by instances.last_backup_at nulls first, instances.instance_id
