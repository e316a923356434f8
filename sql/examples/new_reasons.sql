-- Which reasons for failures are new in the last 7 days?
-- theme: What failed
with

newest as (
    select max(observed_at) as loaded_at
    from last_loads
)

select
    reasons.reason_pattern,
    reasons.failed_count,
    reasons.first_failed_at,
    reasons.example
from failure_reasons as reasons
inner join newest
    on reasons.first_failed_at >= newest.loaded_at - interval 7 days
order by reasons.failed_count desc, reasons.reason_pattern
