-- How long do failed tasks run, compared with successful ones?
-- theme: How long tasks take
select
    task_label,
    count(duration_seconds) filter (where not is_failed) as succeeded_count,
    round(
        median(duration_seconds) filter (where not is_failed) / 60, 1
    ) as succeeded_p50_minutes,
    count(duration_seconds) filter (where is_failed) as failed_count,
    round(median(duration_seconds) filter (where is_failed) / 60, 1) as failed_p50_minutes
from tasks
where is_finished
group by task_label
having count(*) filter (where is_failed) > 0
order by failed_count desc, task_label
