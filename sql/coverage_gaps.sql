-- one row per time range that no complete window covers, split at the horizon
-- theme: Completeness
create or replace view main.coverage_gaps as
with

windows as (
    {% include 'fragments/windows.sql' %}
),

limits as (
    {% include 'fragments/uncovered_times.sql' %}
),

gaps as (
    select
        limits.region,
        limits.project_id,
        last_loads.project_name,
        limits.gap_from,
        limits.gap_to,
        last_loads.horizon_from
    from limits
    left join main.last_loads
        on
            limits.region = last_loads.region
            and limits.project_id = last_loads.project_id
    where limits.gap_from < limits.gap_to
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
    {{ seconds_between('gap_from', 'gap_to') }} as gap_seconds
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
