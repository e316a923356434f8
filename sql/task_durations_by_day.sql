-- one row per day and task name with a finished task that has a duration
-- theme: How long tasks take
create or replace view main.task_durations_by_day as
with

finished_tasks as (
    select
        created_date,
        task_name,
        task_label,
        duration_ms
    from main.tasks
    where is_finished and duration_ms is not null
)

select
    created_date,
    task_name,
    task_label,
    count(*) as finished_count,
    cast(min(duration_ms) as {{ double }}) / 1000 as min_seconds,
    cast(sum(duration_ms) as {{ double }}) / count(duration_ms) / 1000 as avg_seconds,
    percentile_cont(0.5) within group (order by duration_ms) / 1000 as p50_seconds,
    percentile_cont(0.9) within group (order by duration_ms) / 1000 as p90_seconds,
    percentile_cont(0.95) within group (order by duration_ms) / 1000 as p95_seconds,
    percentile_cont(0.99) within group (order by duration_ms) / 1000 as p99_seconds,
    cast(max(duration_ms) as {{ double }}) / 1000 as max_seconds
from finished_tasks
group by created_date, task_name, task_label;

comment on view main.task_durations_by_day is
'Durations of finished tasks, failed ones included: one row per day of start and task name.';
comment on column main.task_durations_by_day.created_date is 'Day on which the tasks started, UTC.';
comment on column main.task_durations_by_day.task_name is
'Kind of the task, as the API names it; tasks without one are a group.';
comment on column main.task_durations_by_day.task_label is
'The kind in words; the task_name if the kind is not documented.';
comment on column main.task_durations_by_day.finished_count is
'Finished tasks with a duration, failed and canceled ones included.';
comment on column main.task_durations_by_day.min_seconds is 'Shortest duration, in seconds.';
comment on column main.task_durations_by_day.avg_seconds is 'Mean duration, in seconds.';
comment on column main.task_durations_by_day.p50_seconds is
'Median duration, in seconds; exact, interpolated.';
comment on column main.task_durations_by_day.p90_seconds is
'90th percentile of the duration, in seconds; exact, interpolated.';
comment on column main.task_durations_by_day.p95_seconds is
'95th percentile of the duration, in seconds; exact, interpolated.';
comment on column main.task_durations_by_day.p99_seconds is
'99th percentile of the duration, in seconds; exact, interpolated.';
comment on column main.task_durations_by_day.max_seconds is 'Longest duration, in seconds.';
