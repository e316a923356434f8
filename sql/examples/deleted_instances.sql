-- Which instances were deleted, and when?
-- theme: Instances
select
    instance_name,
    created_at as deletion_began_at,
    ended_at as deletion_ended_at,
    status,
    fail_reason,
    instance_id
from tasks
where category = 'delete'
order by created_at desc, job_id
limit 20
