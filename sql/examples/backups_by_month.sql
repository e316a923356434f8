-- How many manual backups were made each month, and do they get slower?
-- theme: Backups and restores
with

months as (
    select
        cast(date_trunc('month', created_at) as date) as created_month,
        count(*) as backup_count,
        count(*) filter (where is_failed) as failed_count,
        count(distinct instance_id) as instance_count,
        median(duration_seconds) filter (where not is_failed) as p50_seconds,
        quantile_cont(duration_seconds, 0.95) filter (where not is_failed) as p95_seconds
    from tasks
    where category = 'backup' and is_finished
    group by created_month
)

select
    created_month,
    backup_count,
    failed_count,
    instance_count,
    p50_seconds,
    p95_seconds,
    round(p50_seconds / lag(p50_seconds) over (order by created_month) - 1, 2) as p50_change
from months
order by created_month
