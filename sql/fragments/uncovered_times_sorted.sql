-- one row per limit of a project's windows: a gap before it, if gap_from is before gap_to
-- For engines without DuckDB's lists.
with

-- Both limits of the span count as windows.
limits as (
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
        min(covered_from) as covered_from,
        min(covered_from) as covered_to
    from windows
    group by region, project_id
    union all
    select
        region,
        project_id,
        max(covered_to) as covered_from,
        max(covered_to) as covered_to
    from windows
    group by region, project_id
)

select
    region,
    project_id,
    max(covered_to) over (
        partition by region, project_id
        order by covered_from
        rows between unbounded preceding and 1 preceding
    ) as gap_from,
    covered_from as gap_to
from limits
