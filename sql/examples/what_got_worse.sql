-- Which kinds of tasks became significantly slower or less reliable in the last 7 days?
-- theme: What is new
select
    task_label,
    is_slower,
    round(baseline_p50_seconds / 60, 1) as baseline_p50_minutes,
    round(recent_p50_seconds / 60, 1) as recent_p50_minutes,
    is_failing_more,
    baseline_failed_count || ' of ' || baseline_finished_count as baseline_failures,
    recent_failed_count || ' of ' || recent_finished_count as recent_failures
from task_regressions
order by is_slower or is_failing_more desc, recent_finished_count desc, task_name
