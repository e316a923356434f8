-- Why do tasks fail?
-- theme: What failed
select
    reason_pattern,
    failed_count,
    round(share, 3) as share,
    last_failed_at
from failure_reasons
order by failed_count desc, reason_pattern
limit 10
