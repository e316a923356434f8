-- Which states did a task have, and when was each observed?
-- set job: its job_id; by default the task with the most states
with

most_changing as (
    select job_id
    from tasks
    order by version_count desc, last_changed_at desc, job_id
    limit 1
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
order by history.region, history.project_id, history.version
