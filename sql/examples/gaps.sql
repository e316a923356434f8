-- Which time ranges does the archive not cover?
-- theme: Completeness
select
    project_id,
    project_name,
    gap_from,
    gap_to,
    round(gap_seconds / 3600, 1) as gap_hours,
    is_lost
from coverage_gaps
order by region, project_id, gap_from
