-- one row per time range that no complete window covers, split at the horizon
create or replace view main.coverage_gaps as
with

-- Nothing after the last load's clock is covered; an earlier load's clock may have been ahead.
windows as (
    select
        coverage.region,
        coverage.project_id,
        coverage.covered_from,
        least(coverage.covered_to, last_loads.observed_at) as covered_to,
        coverage.is_complete
    from task_center.coverage
    left join main.last_loads
        on
            coverage.region = last_loads.region
            and coverage.project_id = last_loads.project_id
    where coverage.covered_from < least(coverage.covered_to, last_loads.observed_at)
),

-- Windows in any order, mostly that of the loads. A sort of all of them takes much longer.
window_lists as (
    select
        region,
        project_id,
        min(covered_from) as span_from,
        max(covered_to) as span_to,
        list(case when is_complete then covered_from end) as window_starts,
        list(case when is_complete then covered_to end) as window_ends
    from windows
    group by region, project_id
),

-- The end of each window and the start of the next one in the list. Both limits of the span count
-- as windows.
neighbours as (
    select
        region,
        project_id,
        unnest(list_prepend(span_from, window_ends)) as this_end,
        unnest(list_append(window_starts, span_to)) as next_start,
        unnest(list_prepend(null, window_starts)) as this_start,
        unnest(list_append(window_ends, null)) as next_end
    from window_lists
),

-- A window that begins inside the one before it prolongs that one: the two count as one window. So
-- few are left. Starts and ends are sorted apart: that is faster than a sort by project.
sorted_limits as (
    select
        region,
        project_id,
        list_sort(list(this_end) filter (where this_end is not null)) as window_ends,
        list_sort(list(next_start) filter (where next_start is not null)) as window_starts
    from neighbours
    where (
        this_start <= next_start and next_start <= this_end and this_end <= next_end
    ) is not true
    group by region, project_id
),

-- When as many windows have ended as have started, nothing is covered until the next start: each
-- gap is between an end and a start.
ordered_limits as (
    select
        region,
        project_id,
        unnest(window_ends) as gap_from,
        unnest(window_starts) as gap_to
    from sorted_limits
),

gaps as (
    select
        ordered_limits.region,
        ordered_limits.project_id,
        last_loads.project_name,
        ordered_limits.gap_from,
        ordered_limits.gap_to,
        last_loads.horizon_from
    from ordered_limits
    left join main.last_loads
        on
            ordered_limits.region = last_loads.region
            and ordered_limits.project_id = last_loads.project_id
    where ordered_limits.gap_from < ordered_limits.gap_to
),

parts as (
    select
        region,
        project_id,
        project_name,
        gap_from,
        least(gap_to, horizon_from) as gap_to,
        true as is_lost
    from gaps
    where gap_from < horizon_from
    union all
    select
        region,
        project_id,
        project_name,
        greatest(gap_from, horizon_from) as gap_from,
        gap_to,
        false as is_lost
    from gaps
    where gap_to > horizon_from or horizon_from is null
)

select
    region,
    project_id,
    project_name,
    gap_from,
    gap_to,
    is_lost,
    date_diff('microsecond', gap_from, gap_to) / 1e6 as gap_seconds
from parts;

comment on view main.coverage_gaps is
'One row per time range, between first and last covered time, that no complete window covers.';
comment on column main.coverage_gaps.region is 'Region of the cloud, such as eu-de.';
comment on column main.coverage_gaps.project_id is 'Project with the gap.';
comment on column main.coverage_gaps.project_name is
'Last known name of the project; null if unknown.';
comment on column main.coverage_gaps.gap_from is 'Start of the gap, UTC.';
comment on column main.coverage_gaps.gap_to is 'End of the gap, UTC.';
comment on column main.coverage_gaps.is_lost is
'Whether it had left the API''s horizon at the last load; if not, the next load can read it.';
comment on column main.coverage_gaps.gap_seconds is 'Length of the gap, in seconds.';
