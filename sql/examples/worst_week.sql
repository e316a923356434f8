-- Which week had the most failures, and why?
-- theme: What failed
with

worst_week as (
    select
        created_week,
        sum(failed_count) as week_failed_count,
        sum(finished_count) as week_finished_count
    from failure_rates_by_week
    group by created_week
    having sum(failed_count) > 0
    order by week_failed_count desc, created_week desc
    limit 1
)

select
    worst_week.created_week,
    worst_week.week_failed_count || ' of ' || worst_week.week_finished_count as week_failures,
    failures.task_label,
    failures.reason_pattern,
    count(*) as failed_count
from worst_week
inner join failed_tasks as failures
    on
        worst_week.created_week <= failures.created_date
        and worst_week.created_week + 7 > failures.created_date
group by all
order by failed_count desc, failures.task_label, failures.reason_pattern
