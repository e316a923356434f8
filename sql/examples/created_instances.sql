-- Which instances were created, and how long did their creation take?
-- theme: Instances
select
    instance_name,
    created_at,
    round(duration_seconds / 60, 1) as minutes,
    task_label,
    status,
    instance_id
from tasks
where task_name in ('CreateGaussDBV5Instance', 'CloneGaussDBV5NewInstance')
order by created_at desc, job_id
limit 20
