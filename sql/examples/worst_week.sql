-- Which week had the most failures, and why?
with

worst_week as (
    select created_week
    from failure_rates_by_week
    group by created_week
    having sum(failed_count) > 0
    order by sum(failed_count) desc, created_week desc
    limit 1
)

select
    worst_week.created_week,
    tasks.task_label,
    tasks.fail_reason,
    count(*) as failed_count,
    string_agg(distinct tasks.instance_name, ', ' order by tasks.instance_name) as instances
from worst_week
inner join tasks
    on
        worst_week.created_week <= tasks.created_date
        and worst_week.created_week + 7 > tasks.created_date
where tasks.is_failed
group by worst_week.created_week, tasks.task_label, tasks.fail_reason
order by failed_count desc, tasks.task_label, tasks.fail_reason
limit 20
