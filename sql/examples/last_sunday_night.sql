-- What ran last Sunday night (18:00 to 06:00 UTC)?
with

last_night as (
    select date_trunc('week', max(observed_at)) as midnight
    from last_loads
)

select
    tasks.created_at,
    tasks.ended_at,
    tasks.task_label,
    tasks.instance_name,
    tasks.status,
    tasks.fail_reason
from tasks
cross join last_night
where
    tasks.created_at < last_night.midnight + interval 6 hours
    and (not tasks.is_finished or tasks.ended_at >= last_night.midnight - interval 6 hours)
order by tasks.created_at, tasks.job_id
