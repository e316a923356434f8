-- one row per task name and duration range, from its shortest finished task to its longest
-- theme: How long tasks take
create or replace view main.task_duration_distribution as
with

-- Each range is about twice as wide as the one before it, with round limits.
lower_limits as (
    select cast(limits.whole_seconds as bigint) as from_seconds
    from (
        values
        (0), (1), (2), (4), (8), (15), (30),
        (60), (120), (240), (480), (900), (1800),
        (3600), (7200), (14400), (28800), (57600), (115200), (230400), (460800)
    ) as limits (whole_seconds)
),

duration_ranges as (
    select
        from_seconds,
        lead(from_seconds) over (order by from_seconds) as to_seconds
    from lower_limits
),

-- All limits are whole seconds, so a duration without its fraction stays in its range. Millions of
-- tasks have only a few thousand such durations, and only these are compared with the limits.
counts_by_second as (
    select
        task_name,
        task_label,
        duration_ms {{ div }} 1000 as whole_seconds,
        count(*) as finished_count
    from main.tasks
    where is_finished and duration_ms is not null
    group by task_name, task_label, duration_ms {{ div }} 1000
),

counts as (
    select
        counts_by_second.task_name,
        counts_by_second.task_label,
        duration_ranges.from_seconds,
        sum(counts_by_second.finished_count) as finished_count
    from counts_by_second
    inner join duration_ranges
        on
            counts_by_second.whole_seconds >= duration_ranges.from_seconds
            and (
                counts_by_second.whole_seconds < duration_ranges.to_seconds
                or duration_ranges.to_seconds is null
            )
    group by counts_by_second.task_name, counts_by_second.task_label, duration_ranges.from_seconds
),

task_ranges as (
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
    task_ranges.task_name,
    task_ranges.task_label,
    cast(duration_ranges.from_seconds as {{ double }}) as from_seconds,
    cast(duration_ranges.to_seconds as {{ double }}) as to_seconds,
    cast(coalesce(counts.finished_count, 0) as bigint) as finished_count,
    cast(coalesce(counts.finished_count, 0) as {{ double }})
    / task_ranges.all_finished_count as share
from task_ranges
inner join duration_ranges
    on
        duration_ranges.from_seconds between task_ranges.first_from_seconds
        and task_ranges.last_from_seconds
left join counts
    on
        task_ranges.task_name is not distinct from counts.task_name
        and task_ranges.task_label is not distinct from counts.task_label
        and duration_ranges.from_seconds = counts.from_seconds;

comment on view main.task_duration_distribution is
'Distribution of the durations of finished tasks: one row per task name and duration range.';
comment on column main.task_duration_distribution.task_name is
'Kind of the task, as the API names it; tasks without one are a group.';
comment on column main.task_duration_distribution.task_label is
'The kind in words; the task_name if the kind is not documented.';
comment on column main.task_duration_distribution.from_seconds is
'Lower limit of the range, in seconds, inclusive.';
comment on column main.task_duration_distribution.to_seconds is
'Upper limit of the range, in seconds, exclusive; null for the last range.';
comment on column main.task_duration_distribution.finished_count is
'Finished tasks with a duration in this range; 0 is possible between other ranges.';
comment on column main.task_duration_distribution.share is
'finished_count / all finished tasks of the name with a duration, 0 to 1.';
