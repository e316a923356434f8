-- How long is it from a failure to the next success of the same kind on the same instance?
-- theme: What failed
with

failures as (
    select
        region,
        project_id,
        job_id,
        task_name,
        task_label,
        instance_id,
        coalesce(ended_at, created_at) as failed_at
    from tasks
    where is_failed and instance_id is not null
),

successes as (
    select
        failures.region,
        failures.project_id,
        failures.job_id,
        failures.failed_at,
        failures.task_label,
        min(tasks.ended_at) as succeeded_at
    from failures
    left join tasks
        on
            failures.region = tasks.region
            and failures.project_id = tasks.project_id
            and failures.instance_id = tasks.instance_id
            and failures.task_name = tasks.task_name
            and failures.failed_at < tasks.ended_at
            and tasks.is_finished
            and not tasks.is_failed
    group by
        failures.region,
        failures.project_id,
        failures.job_id,
        failures.failed_at,
        failures.task_label
),

times as (
    select
        task_label,
        succeeded_at,
        date_diff('millisecond', failed_at, succeeded_at) / 1000.0 as seconds
    from successes
)

select
    task_label,
    count(*) as failed_count,
    count(succeeded_at) as succeeded_later_count,
    median(seconds) as p50_seconds,
    quantile_cont(seconds, 0.95) as p95_seconds,
    max(seconds) as max_seconds
from times
group by task_label
order by failed_count desc, task_label
