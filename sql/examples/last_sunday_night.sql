-- What ran last Sunday night (18:00 to 06:00 UTC)?
-- theme: What is new
with

-- The last Sunday night that was over at the newest load.
last_night as (
    select date_trunc('week', max(observed_at) - interval 6 hours) as midnight
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
    and last_night.midnight - interval 6 hours <= case
        when tasks.is_finished then coalesce(tasks.ended_at, tasks.created_at)
        else tasks.last_seen_at
    end
order by tasks.created_at, tasks.job_id
