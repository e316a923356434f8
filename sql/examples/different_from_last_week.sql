-- What is different in the last 7 days from the 7 days before?
-- theme: What is new
with

newest as (
    select max(observed_at) as loaded_at
    from last_loads
),

weeks as (
    select
        tasks.task_label,
        count(*) filter (where tasks.created_at < newest.loaded_at - interval 7 days)
            as before_count,
        count(*) filter (where tasks.created_at >= newest.loaded_at - interval 7 days)
            as recent_count,
        count(*) filter (
            where tasks.created_at < newest.loaded_at - interval 7 days and tasks.is_failed
        ) as failed_before,
        count(*) filter (
            where tasks.created_at >= newest.loaded_at - interval 7 days and tasks.is_failed
        ) as failed_recent,
        median(tasks.duration_seconds) filter (
            where tasks.created_at < newest.loaded_at - interval 7 days
        ) as p50_seconds_before,
        median(tasks.duration_seconds) filter (
            where tasks.created_at >= newest.loaded_at - interval 7 days
        ) as p50_seconds_recent
    from tasks
    inner join newest
        on
            tasks.created_at >= newest.loaded_at - interval 14 days
            and tasks.created_at < newest.loaded_at
    group by tasks.task_label
)

select
    task_label,
    recent_count - before_count as count_change,
    before_count,
    recent_count,
    failed_recent - failed_before as failed_change,
    failed_before as failed_before_count,
    failed_recent as failed_recent_count,
    p50_seconds_before as before_p50_seconds,
    p50_seconds_recent as recent_p50_seconds
from weeks
order by abs(recent_count - before_count) desc, abs(failed_recent - failed_before) desc, task_label
