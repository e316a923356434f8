-- Is the record complete for a month?
-- set month: YYYY-MM; by default the one before the newest load
with

months as (
    select
        coalesce(
            cast(cast(getvariable('month') as varchar) || '-01' as timestamp),
            date_trunc('month', max(observed_at)) - interval 1 month
        ) as month_from,
        month_from + interval 1 month as month_to
    from last_loads
),

gaps as (
    select
        gaps.region,
        gaps.project_id,
        count(*) as gap_count,
        bool_or(gaps.is_lost) as is_lost,
        min(gaps.gap_from) as first_gap_from
    from coverage_gaps as gaps
    cross join months
    where gaps.gap_from < months.month_to and gaps.gap_to > months.month_from
    group by gaps.region, gaps.project_id
),

-- Records that are no tasks belong to the month in which they say they were made, if they say so.
rejects as (
    select
        records.region,
        records.project_id,
        count(*) as rejected_count
    from task_center.rejected_records as records
    cross join months
    where
        coalesce(records.created_at, records.observed_at) >= months.month_from
        and coalesce(records.created_at, records.observed_at) < months.month_to
    group by records.region, records.project_id
)

select
    archive.project_id,
    cast(months.month_from as date) as month_from,
    coalesce(
        archive.covered_from <= months.month_from
        and archive.covered_to >= months.month_to
        and gaps.gap_count is null
        and rejects.rejected_count is null,
        false
    ) as is_complete,
    case
        when archive.covered_to is null then 'nothing was proved read'
        when archive.covered_from > months.month_from then 'the record begins later'
        when archive.covered_to < months.month_to then 'the record ends earlier'
        when gaps.gap_count > 0 then 'there are gaps'
        when rejects.rejected_count > 0 then 'there are records that nobody can read'
    end as why_not,
    archive.covered_from,
    archive.covered_to,
    coalesce(gaps.gap_count, 0) as gap_count,
    gaps.first_gap_from,
    coalesce(gaps.is_lost, false) as is_lost,
    coalesce(rejects.rejected_count, 0) as rejected_count
from archive_status as archive
cross join months
left join gaps
    on archive.region = gaps.region and archive.project_id = gaps.project_id
left join rejects
    on archive.region = rejects.region and archive.project_id = rejects.project_id
order by archive.region, archive.project_id
