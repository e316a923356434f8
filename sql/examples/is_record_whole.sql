-- Is the archive complete, and when will data be lost?
-- theme: Completeness
select
    project_id,
    project_name,
    covered_from,
    covered_to,
    gap_count = 0 and rejected_count = 0 and last_outcome = 'complete' as is_whole,
    gap_count,
    lost_gap_count,
    rejected_count,
    last_outcome,
    loss_begins_at
from archive_status
order by region, project_id
