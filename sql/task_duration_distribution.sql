-- one row per task name and step of duration, from its shortest finished task to its longest
create or replace view main.task_duration_distribution as
with

-- Each step is twice as long as the one before it, in round seconds, minutes and hours.
starts as (
    select
        unnest(
            cast(
                [
                    0, 1, 2, 4, 8, 15, 30,
                    60, 120, 240, 480, 900, 1800,
                    3600, 7200, 14400, 28800, 57600, 115200, 230400, 460800
                ] as bigint[]
            )
        ) as from_seconds
),

bounds as (
    select
        from_seconds,
        lead(from_seconds) over (order by from_seconds) as to_seconds
    from starts
),

-- Bounds are whole seconds, so a duration cut to whole seconds stays in its step. Millions of tasks
-- share a few thousand of those, and only they are held against the bounds.
counts_by_second as (
    select
        task_name,
        task_label,
        duration_ms // 1000 as whole_seconds,
        count(*) as finished_count
    from main.tasks
    where is_finished and duration_ms is not null
    group by task_name, task_label, duration_ms // 1000
),

counts as (
    select
        counts_by_second.task_name,
        counts_by_second.task_label,
        bounds.from_seconds,
        sum(counts_by_second.finished_count) as finished_count
    from counts_by_second
    inner join bounds
        on
            counts_by_second.whole_seconds >= bounds.from_seconds
            and (
                counts_by_second.whole_seconds < bounds.to_seconds
                or bounds.to_seconds is null
            )
    group by counts_by_second.task_name, counts_by_second.task_label, bounds.from_seconds
),

ranges as (
    select
        task_name,
        task_label,
        min(from_seconds) as first_from_seconds,
        max(from_seconds) as last_from_seconds,
        sum(finished_count) as all_finished_count
    from counts
    group by task_name, task_label
)

select
    ranges.task_name,
    ranges.task_label,
    cast(bounds.from_seconds as double) as from_seconds,
    cast(bounds.to_seconds as double) as to_seconds,
    cast(coalesce(counts.finished_count, 0) as bigint) as finished_count,
    coalesce(counts.finished_count, 0) / ranges.all_finished_count as share
from ranges
inner join bounds
    on bounds.from_seconds between ranges.first_from_seconds and ranges.last_from_seconds
left join counts
    on
        ranges.task_name is not distinct from counts.task_name
        and ranges.task_label is not distinct from counts.task_label
        and bounds.from_seconds = counts.from_seconds;

comment on view main.task_duration_distribution is
'How the durations of finished tasks spread: one row per task name and step of duration.';
comment on column main.task_duration_distribution.task_name is
'Kind of the task as the API names it; null is a group of its own.';
comment on column main.task_duration_distribution.task_label is
'The kind in words; the task_name where the kind is not documented.';
comment on column main.task_duration_distribution.from_seconds is
'Shortest duration of the step, in seconds; it belongs to the step.';
comment on column main.task_duration_distribution.to_seconds is
'Where the next step begins, in seconds; null for the last step, which has no end.';
comment on column main.task_duration_distribution.finished_count is
'Finished tasks that took so long; 0 for a step in between that no task took.';
comment on column main.task_duration_distribution.share is
'finished_count over all finished tasks of the name that have a duration, 0 to 1.';
