-- On which instances do manual backups take longest?
-- theme: Backups and restores
select
    arg_max(instance_name, created_at) as instance_name,
    count(*) as backup_count,
    round(median(duration_seconds) / 60, 1) as p50_minutes,
    round(max(duration_seconds) / 60, 1) as max_minutes,
    instance_id
from tasks
where
    task_name = 'BackupSnapshotGaussDBV5InInstance'
    and instance_id is not null
    and is_finished
group by region, project_id, instance_id
having count(duration_seconds) >= 3
order by p50_minutes desc, instance_id
limit 10
