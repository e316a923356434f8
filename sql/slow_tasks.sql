-- one row per finished task that took longer than the 95th percentile of its task name
-- theme: How long tasks take
-- order by times_typical desc, region, project_id, job_id
create or replace view main.slow_tasks as
select
    tasks.region,
    tasks.project_id,
    tasks.project_name,
    tasks.job_id,
    tasks.task_name,
    tasks.task_label,
    tasks.status,
    tasks.is_failed,
    tasks.instance_id,
    tasks.instance_name,
    tasks.created_at,
    tasks.ended_at,
    tasks.duration_seconds,
    durations.p95_seconds as typical_seconds,
    tasks.duration_seconds / nullif(durations.p95_seconds, 0) as times_typical
from main.tasks
inner join main.task_durations_by_name as durations
    on tasks.task_name is not distinct from durations.task_name
where tasks.is_finished and tasks.duration_seconds > durations.p95_seconds;

comment on view main.slow_tasks is
'One row per finished task that took longer than the 95th percentile of its task name.';
comment on column main.slow_tasks.region is 'Region of the cloud, such as eu-de.';
comment on column main.slow_tasks.project_id is 'Project in which the task ran.';
comment on column main.slow_tasks.project_name is
'Last known name of the project; null if unknown.';
comment on column main.slow_tasks.job_id is 'Identifier of the task within its project.';
comment on column main.slow_tasks.task_name is 'Kind of the task, as the API names it.';
comment on column main.slow_tasks.task_label is
'The kind in words; the task_name if the kind is not documented.';
comment on column main.slow_tasks.status is 'Status from the API: Completed, Failed or Canceled.';
comment on column main.slow_tasks.is_failed is 'Whether the task has failed. Never null.';
comment on column main.slow_tasks.instance_id is 'Instance that the task worked on.';
comment on column main.slow_tasks.instance_name is
'Name of the instance when the state was observed.';
comment on column main.slow_tasks.created_at is 'When the task started, UTC.';
comment on column main.slow_tasks.ended_at is 'When the task ended, UTC.';
comment on column main.slow_tasks.duration_seconds is 'From start to end, in seconds.';
comment on column main.slow_tasks.typical_seconds is
'95th percentile of the durations of finished tasks of that name, in seconds.';
comment on column main.slow_tasks.times_typical is
'duration_seconds / typical_seconds; null if typical_seconds is 0.';
