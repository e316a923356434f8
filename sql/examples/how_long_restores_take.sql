-- How long does a restore take?
select
    durations.task_label,
    durations.finished_count,
    round(durations.p50_seconds / 60, 1) as p50_minutes,
    round(durations.p95_seconds / 60, 1) as p95_minutes,
    round(durations.max_seconds / 60, 1) as max_minutes
from task_durations_by_name as durations
inner join task_center.task_types as task_types
    on durations.task_name = task_types.task_name
where task_types.category = 'restore'
order by durations.finished_count desc, durations.task_label
