-- one row per task, to be read within its instance in the order of their starts
-- order by region, project_id, instance_id, created_at, job_id
create or replace view main.instance_timeline as
-- Neither sorted nor numbered here: that would sort the whole archive to show one instance.
select
    region,
    project_id,
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
'What was done to each instance, in order: one row per task, order by created_at.';
comment on column main.instance_timeline.region is 'Region of the cloud, such as eu-de.';
comment on column main.instance_timeline.project_id is 'Project in which the task ran.';
comment on column main.instance_timeline.instance_id is
'Instance the task worked on; null is a group of its own.';
comment on column main.instance_timeline.instance_name is
'The instance''s name when the state was seen; it may change along the line.';
comment on column main.instance_timeline.created_at is 'When the task was started, UTC.';
comment on column main.instance_timeline.ended_at is
'When the task ended, UTC; no more than a plan while it is not finished.';
comment on column main.instance_timeline.duration_seconds is
'Seconds from start to end; null unless finished with an end that is not before the start.';
comment on column main.instance_timeline.task_name is 'Kind of the task as the API names it.';
comment on column main.instance_timeline.task_label is
'The kind in words; the task_name where the kind is not documented.';
comment on column main.instance_timeline.category is
'Family of the kind: create, backup, restore, delete or scale; null where not documented.';
comment on column main.instance_timeline.status is
'Status as the API gave it: Running, Completed, Failed or another.';
comment on column main.instance_timeline.is_finished is
'Whether the task has ended for good: completed, failed or canceled. Never null.';
comment on column main.instance_timeline.is_failed is 'Whether the task has failed. Never null.';
comment on column main.instance_timeline.fail_reason is
'Why the task failed, in the service''s words.';
comment on column main.instance_timeline.instance_status is
'The instance''s status when the state was seen.';
comment on column main.instance_timeline.first_seen_at is
'Clock of the load that first saw the task, UTC: by then it was known.';
comment on column main.instance_timeline.vanished_at is
'When a load found the task deleted from the task center, UTC; null while it is listed there.';
comment on column main.instance_timeline.job_id is 'Identity of the task inside its project.';
