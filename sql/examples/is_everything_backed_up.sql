-- Was every instance backed up successfully in the last days, by a manual backup?
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
        max(project_name) as project_name,
        instance_id,
        arg_max(instance_name, created_at) as instance_name,
        max(created_at) filter (
            where category = 'delete' and is_finished and not is_failed
        ) as deleted_at,
        max(ended_at) filter (
            where category = 'backup' and is_finished and not is_failed
        ) as last_backup_at
    from tasks
    where instance_id <> ''
    group by region, project_id, instance_id
),

judged as (
    select
        instances.*,
        coalesce(
            instances.last_backup_at >= newest.loaded_at - to_days(newest.day_count), false
        ) as is_backed_up
    from instances
    cross join newest
    where instances.deleted_at is null
)

select
    project_name,
    project_id,
    bool_and(is_backed_up) as is_every_instance_backed_up,
    count(*) as instance_count,
    count(*) filter (where is_backed_up) as backed_up_count,
    string_agg(coalesce(instance_name, instance_id), ', ' order by instance_name, instance_id)
    filter (where not is_backed_up) as not_backed_up
from judged
group by region, project_id, project_name
order by region, project_id
