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

spans as (
    select
        region,
        project_id,
        min(covered_from) as span_from,
        max(covered_to) as span_to
    from windows
    group by region, project_id
),

-- Both limits of a span are added as empty ranges: each gap is then between two ranges.
covered_ranges as (
    select
        region,
        project_id,
        covered_from,
        covered_to
    from windows
    where is_complete
    union all
    select
        region,
        project_id,
        span_from as covered_from,
        span_from as covered_to
    from spans
    union all
    select
        region,
        project_id,
        span_to as covered_from,
        span_to as covered_to
    from spans
),

ordered_ranges as (
    select
        region,
        project_id,
        covered_from as gap_to,
        max(covered_to) over (
            partition by region, project_id
            order by covered_from, covered_to
            rows between unbounded preceding and 1 preceding
        ) as gap_from
    from covered_ranges
),

gaps as (
    select
        ordered_ranges.region,
        ordered_ranges.project_id,
        ordered_ranges.gap_from,
        ordered_ranges.gap_to,
        last_loads.horizon_from
    from ordered_ranges
    left join main.last_loads
        on
            ordered_ranges.region = last_loads.region
            and ordered_ranges.project_id = last_loads.project_id
    where ordered_ranges.gap_from < ordered_ranges.gap_to
),

parts as (
    select
        region,
        project_id,
        gap_from,
        least(gap_to, horizon_from) as gap_to,
        true as is_lost
    from gaps
    where gap_from < horizon_from
    union all
    select
        region,
        project_id,
        greatest(gap_from, horizon_from) as gap_from,
        gap_to,
        false as is_lost
    from gaps
    where gap_to > horizon_from or horizon_from is null
)

select
    region,
    project_id,
    gap_from,
    gap_to,
    is_lost,
    date_diff('microsecond', gap_from, gap_to) / 1e6 as gap_seconds
from parts;

comment on view main.coverage_gaps is
'One row per time range, between first and last covered time, that no complete window covers.';
comment on column main.coverage_gaps.region is 'Region of the cloud, such as eu-de.';
comment on column main.coverage_gaps.project_id is 'Project with the gap.';
comment on column main.coverage_gaps.gap_from is 'Start of the gap, UTC.';
comment on column main.coverage_gaps.gap_to is 'End of the gap, UTC.';
comment on column main.coverage_gaps.is_lost is
'Whether it had left the API''s horizon at the last load; if not, the next load can read it.';
comment on column main.coverage_gaps.gap_seconds is 'Length of the gap, in seconds.';
