-- Is the archive complete for a month?
-- theme: Completeness
-- set month: the month as YYYY-MM; by default the month before the newest load
with

wanted as (
    select
        max(observed_at) as loaded_at,
        case
            when getvariable('month') is null
                then date_trunc('month', loaded_at) - interval 1 month
            else coalesce(
                try_strptime(cast(getvariable('month') as varchar), '%Y-%m'),
                error('set month to a month, written as 2026-03')
            )
        end as month_from
    from last_loads
),

months as (
    select
        *,
        month_from + interval 1 month as month_to
    from wanted
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

-- A rejected record belongs to the month of its created_at, or else of the load that observed it.
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
    archive.project_name,
    cast(months.month_from as date) as month_from,
    coalesce(
        archive.covered_from <= months.month_from
        and archive.covered_to >= months.month_to
        and gaps.gap_count is null
        and rejects.rejected_count is null,
        false
    ) as is_complete,
    nullif(
        concat_ws(
            '; ',
            case when archive.covered_to is null then 'nothing was proved read' end,
            case
                when archive.covered_from > months.month_from then 'the record begins later'
            end,
            case when months.loaded_at < months.month_to then 'the month was not over' end,
            case
                when archive.covered_to < least(months.month_to, months.loaded_at)
                    then 'the record ends earlier'
            end,
            case when gaps.gap_count > 0 then 'there are gaps' end,
            case when rejects.rejected_count > 0 then 'there are unreadable records' end
        ),
        ''
    ) as why_not,
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
