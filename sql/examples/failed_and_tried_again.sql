-- How often was a failed task tried again soon, and how often did the second try succeed?
-- theme: What failed
-- set hours: the maximum number of hours until the second try, by default 6
with

failures as (
    select *
    from tasks
    where is_failed
),

second_tries as (
    select
        failures.region,
        failures.project_id,
        failures.job_id,
        count(*) as retry_count,
        min(retries.ended_at) filter (
            where retries.is_finished and not retries.is_failed
        ) as worked_at
    from failures
    inner join tasks as retries
        on
            failures.region = retries.region
            and failures.project_id = retries.project_id
            and failures.instance_id = retries.instance_id
            and failures.task_name = retries.task_name
            and failures.created_at < retries.created_at
            and failures.created_at + to_hours(
                coalesce(cast(getvariable('hours') as integer), 6)
            ) > retries.created_at
    group by failures.region, failures.project_id, failures.job_id
)

select
    failures.task_label,
    count(*) as failed_count,
    count(second_tries.retry_count) as tried_again_count,
    count(second_tries.worked_at) as worked_then_count
from failures
left join second_tries
    on
        failures.region = second_tries.region
        and failures.project_id = second_tries.project_id
        and failures.job_id = second_tries.job_id
group by failures.task_label
order by failed_count desc, failures.task_label
