-- one row per task, to sort by start within each instance
-- theme: Instances
-- order by region, project_id, instance_id, created_at, job_id
create or replace view main.instance_timeline as
-- Not sorted or numbered here: that would sort all tasks to show one instance.
select
    region,
    project_id,
    project_name,
    instance_id,
    instance_name,
    created_at,
    ended_at,
    duration_seconds,
    task_name,
    task_label,
    category,
    status,
    is_finished,
    is_failed,
    fail_reason,
    instance_status,
    first_seen_at,
    vanished_at,
    job_id
from main.tasks;

comment on view main.instance_timeline is
'Tasks of each instance: one row per task; order by created_at.';
comment on column main.instance_timeline.region is 'Region of the cloud, such as eu-de.';
comment on column main.instance_timeline.project_id is 'Project in which the task ran.';
comment on column main.instance_timeline.project_name is
'Last known name of the project; null if unknown.';
comment on column main.instance_timeline.instance_id is
'Instance that the task worked on; tasks without one are a group.';
comment on column main.instance_timeline.instance_name is
'Name of the instance when the state was observed; it can change over time.';
comment on column main.instance_timeline.created_at is 'When the task started, UTC.';
comment on column main.instance_timeline.ended_at is
'When the task ended, UTC; an estimate while it is not finished.';
comment on column main.instance_timeline.duration_seconds is
'Seconds from start to end; null if unfinished, or if the end is before the start.';
comment on column main.instance_timeline.task_name is 'Kind of the task, as the API names it.';
comment on column main.instance_timeline.task_label is
'The kind in words; the task_name if the kind is not documented.';
comment on column main.instance_timeline.category is
'Category of the kind: create, backup, restore, delete or scale; null if not documented.';
comment on column main.instance_timeline.status is
'Status from the API: Running, Completed, Failed or another.';
comment on column main.instance_timeline.is_finished is
'Whether the task has ended: completed, failed or canceled. Never null.';
comment on column main.instance_timeline.is_failed is 'Whether the task has failed. Never null.';
comment on column main.instance_timeline.fail_reason is
'Reason of the failure, as the service reported it.';
comment on column main.instance_timeline.instance_status is
'Status of the instance when the state was observed.';
comment on column main.instance_timeline.first_seen_at is
'Clock of the load that first observed the task, UTC.';
comment on column main.instance_timeline.vanished_at is
'When a load found the task deleted from the task center, UTC; null while it is listed there.';
comment on column main.instance_timeline.job_id is 'Identifier of the task within its project.';
