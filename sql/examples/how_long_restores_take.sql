-- How long does a successful restore take?
-- theme: Backups and restores
select
    task_label,
    count(*) as succeeded_count,
    round(median(duration_seconds) / 60, 1) as p50_minutes,
    round(quantile_cont(duration_seconds, 0.95) / 60, 1) as p95_minutes,
    round(max(duration_seconds) / 60, 1) as max_minutes
from tasks
where category = 'restore' and lower(trim(status)) = 'completed' and duration_seconds is not null
group by task_label
order by succeeded_count desc, task_label
