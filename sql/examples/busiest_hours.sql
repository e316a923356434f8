-- At which hours of the day (UTC) do tasks start, and how often do they fail?
-- theme: All tasks
select
    extract('hour' from created_at) as hour_of_day,
    count(*) as task_count,
    count(*) filter (where is_finished) as finished_count,
    count(*) filter (where is_failed) as failed_count,
    round(failed_count / nullif(finished_count, 0), 3) as failure_rate
from tasks
group by hour_of_day
order by hour_of_day
