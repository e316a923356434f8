-- How reliable is each kind of task, month by month?
-- theme: What failed
select
    created_month,
    task_label,
    finished_count,
    failed_count,
    round(failure_rate, 3) as failure_rate,
    round(failure_rate_low, 3) as low,
    round(failure_rate_high, 3) as high
from failure_rates_by_month
order by created_month, finished_count desc, task_name
