-- What ran in a night (18:00 to 06:00 UTC), in one line for each kind of task?
-- theme: What is new
-- set night: the day on which the night began, as YYYY-MM-DD; by default the last that was over
with

wanted as (
    select
        case
            when getvariable('night') is null
                then date_trunc('day', max(observed_at) - interval 6 hours) - interval 6 hours
            else coalesce(
                try_strptime(cast(getvariable('night') as varchar), '%Y-%m-%d'),
                error('set night to the day on which it began, written as 2026-03-17')
            ) + interval 18 hours
        end as night_from
    from last_loads
),

covered as (
    select
        min(covered_from) as covered_from,
        max(covered_to) as covered_to
    from archive_status
),

nights as (
    select
        case
            when
                getvariable('night') is not null
                and (
                    wanted.night_from >= covered.covered_to
                    or wanted.night_from + interval 12 hours <= covered.covered_from
                )
                then error(
                    'no load has read this night; the loads cover '
                    || strftime(covered.covered_from, '%Y-%m-%d %H:%M')
                    || ' to '
                    || strftime(covered.covered_to, '%Y-%m-%d %H:%M')
                )
            else wanted.night_from
        end as night_from,
        wanted.night_from + interval 12 hours as night_to
    from wanted
    cross join covered
),

ran as (
    select
        tasks.*,
        nights.night_from
    from tasks
    inner join nights
        on
            tasks.created_at < nights.night_to
            and nights.night_from <= case
                when tasks.is_finished then coalesce(tasks.ended_at, tasks.created_at)
                else tasks.last_seen_at
            end
)

select
    task_label,
    count(*) as task_count,
    count(*) filter (where created_at >= night_from) as started_count,
    count(*) filter (where is_failed) as failed_count,
    count(*) filter (where not is_finished) as unfinished_count,
    count(distinct instance_id) as instance_count,
    max(duration_seconds) as max_seconds
from ran
group by task_label
order by task_count desc, task_label
