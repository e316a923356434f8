-- one row per pair of limits of a project's windows: a gap, if gap_from is before gap_to
with

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
)

-- When as many windows have ended as have started, nothing is covered until the next start: each
-- gap is between an end and a start.
select
    region,
    project_id,
    unnest(window_ends) as gap_from,
    unnest(window_starts) as gap_to
from sorted_limits
