-- one row per stretch of time that no complete window covers, cut where what is lost ends
create or replace view main.coverage_gaps as
with

-- Nothing is known of the time after the last load: an earlier one's clock may have run ahead.
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

-- Both ends of a span are stretches without length: every gap then lies between two stretches.
stretches as (
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

followed_stretches as (
    select
        region,
        project_id,
        covered_from as gap_to,
        max(covered_to) over (
            partition by region, project_id
            order by covered_from, covered_to
            rows between unbounded preceding and 1 preceding
        ) as gap_from
    from stretches
),

gaps as (
    select
        followed_stretches.region,
        followed_stretches.project_id,
        followed_stretches.gap_from,
        followed_stretches.gap_to,
        last_loads.horizon_from
    from followed_stretches
    left join main.last_loads
        on
            followed_stretches.region = last_loads.region
            and followed_stretches.project_id = last_loads.project_id
    where followed_stretches.gap_from < followed_stretches.gap_to
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
'One row per stretch between the first and the last time read that no complete window covers.';
comment on column main.coverage_gaps.region is 'Region of the cloud, such as eu-de.';
comment on column main.coverage_gaps.project_id is 'Project with the gap.';
comment on column main.coverage_gaps.gap_from is 'Start of the gap, UTC.';
comment on column main.coverage_gaps.gap_to is 'End of the gap, UTC.';
comment on column main.coverage_gaps.is_lost is
'Whether the API had forgotten it at the last load; if not, the next load can still read it.';
comment on column main.coverage_gaps.gap_seconds is 'Length of the gap, in seconds.';
