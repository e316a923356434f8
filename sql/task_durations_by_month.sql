-- one row per month and task name with a finished task that has a duration
-- theme: How long tasks take
create or replace view main.task_durations_by_month as
with

finished_tasks as (
    select
        cast(date_trunc('month', created_date) as date) as created_month,
        task_name,
        task_label,
        duration_ms
    from main.tasks
    where is_finished and duration_ms is not null
)

select
    created_month,
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
group by created_month, task_name, task_label;

comment on view main.task_durations_by_month is
'Durations of finished tasks, failed ones included: one row per month of start and task name.';
comment on column main.task_durations_by_month.created_month is
'Month in which the tasks started, as its first day, UTC.';
comment on column main.task_durations_by_month.task_name is
'Kind of the task, as the API names it; tasks without one are a group.';
comment on column main.task_durations_by_month.task_label is
'The kind in words; the task_name if the kind is not documented.';
comment on column main.task_durations_by_month.finished_count is
'Finished tasks with a duration, failed and canceled ones included.';
comment on column main.task_durations_by_month.min_seconds is 'Shortest duration, in seconds.';
comment on column main.task_durations_by_month.avg_seconds is 'Mean duration, in seconds.';
comment on column main.task_durations_by_month.p50_seconds is
'Median duration, in seconds; exact, interpolated.';
comment on column main.task_durations_by_month.p90_seconds is
'90th percentile of the duration, in seconds; exact, interpolated.';
comment on column main.task_durations_by_month.p95_seconds is
'95th percentile of the duration, in seconds; exact, interpolated.';
comment on column main.task_durations_by_month.p99_seconds is
'99th percentile of the duration, in seconds; exact, interpolated.';
comment on column main.task_durations_by_month.max_seconds is 'Longest duration, in seconds.';
