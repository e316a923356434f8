-- Do restores get slower from month to month, and which months are read completely?
-- theme: Backups and restores
with

covered_time as (
    select
        max(covered_from) as covered_from,
        min(covered_to) as covered_to
    from archive_status
)

select
    durations.created_month,
    durations.task_label,
    coalesce(
        covered_time.covered_from <= durations.created_month
        and covered_time.covered_to >= durations.created_month + interval 1 month,
        false
    ) as is_whole_month,
    durations.finished_count,
    round(durations.p50_seconds / 60, 1) as p50_minutes,
    round(durations.p95_seconds / 60, 1) as p95_minutes,
    round(
        durations.p50_seconds / lag(durations.p50_seconds) over (
            partition by durations.task_name
            order by durations.created_month
        ) - 1,
        2
    ) as p50_change
from task_durations_by_month as durations
inner join task_center.task_types as task_types
    on durations.task_name = task_types.task_name
cross join covered_time
where task_types.category = 'restore'
order by durations.task_label, durations.created_month
