-- Which share of tasks succeeds within a given time?
-- theme: How long tasks take
-- set minutes: the time in minutes, by default 30
with

limits as (
    select coalesce(cast(getvariable('minutes') as double), 30) as minutes
)

select
    tasks.task_label,
    limits.minutes,
    count(*) as finished_count,
    count(*) filter (
        where not tasks.is_failed and tasks.duration_seconds <= limits.minutes * 60
    ) as in_time_count,
    round(in_time_count / finished_count, 3) as in_time_share
from tasks
cross join limits
where tasks.is_finished
group by tasks.task_label, limits.minutes
order by finished_count desc, tasks.task_label
