-- Which states did a task have, and when was each observed?
-- theme: All tasks
-- set job: its job_id; by default the task with the most states
with

most_changing as (
    select job_id
    from tasks
    order by version_count desc, last_changed_at desc, job_id
    limit 1
),

found as (
    select
        case
            when count(*) > 0 or getvariable('job') is null then true
            else error('no such task: no task has this job_id; the view tasks lists all')
        end as is_known
    from tasks
    where job_id = cast(getvariable('job') as varchar)
)

select
    history.version,
    history.valid_from,
    history.valid_to,
    history.status,
    history.progress_percent,
    history.instance_status,
    history.ended_at,
    history.job_id
from task_history as history
inner join most_changing
    on history.job_id = coalesce(cast(getvariable('job') as varchar), most_changing.job_id)
inner join found
    on found.is_known
order by history.region, history.project_id, history.version
