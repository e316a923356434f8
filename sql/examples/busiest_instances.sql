-- Which instances have the most tasks?
-- theme: Instances
select
    arg_max(instance_name, created_at) as instance_name,
    count(*) as task_count,
    count(*) filter (where category = 'backup') as backup_count,
    count(*) filter (where category = 'restore') as restore_count,
    count(*) filter (where category = 'scale') as scale_count,
    instance_id
from tasks
where instance_id is not null
group by region, project_id, instance_id
order by task_count desc, instance_id
limit 10
