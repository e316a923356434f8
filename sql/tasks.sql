-- one row per task, its latest state
-- theme: All tasks
-- order by created_at desc, region, project_id, job_id
create or replace view main.tasks as
with

latest_states as (
    select
        *,
        coalesce(
            lower({{ trim('status') }}) in ('completed', 'failed', 'canceled', 'cancelled'), false
        ) as is_finished,
        coalesce(lower({{ trim('status') }}) = 'failed', false) as is_failed
    from task_center.tasks
),

vanished as (
    select
        region,
        project_id,
        job_id,
        created_at,
        max(vanished_at) as vanished_at
    from task_center.vanished_tasks
    where reappeared_at is null
    group by region, project_id, job_id, created_at
)

select
    latest_states.region,
    latest_states.project_id,
    last_loads.project_name,
    latest_states.job_id,
    latest_states.task_name,
    coalesce(task_types.task_label, latest_states.task_name) as task_label,
    task_types.category,
    latest_states.status,
    latest_states.is_finished,
    latest_states.is_failed,
    latest_states.progress_percent,
    latest_states.fail_reason,
    latest_states.created_at,
    latest_states.created_date,
    latest_states.ended_at,
    latest_states.duration_ms,
    cast(latest_states.duration_ms as {{ double }}) / 1000 as duration_seconds,
    latest_states.instance_id,
    latest_states.instance_name,
    latest_states.instance_status,
    latest_states.first_seen_at,
    latest_states.last_changed_at,
    latest_states.last_seen_at,
    latest_states.version_count,
    vanished.vanished_at,
    coalesce(
        not latest_states.is_finished
        and vanished.vanished_at is null
        and latest_states.created_at < last_loads.horizon_from
        and latest_states.last_seen_at < last_loads.observed_at,
        false
    ) as is_lost_from_sight,
    latest_states.extra
from latest_states
left join task_center.task_types as task_types
    on latest_states.task_name = task_types.task_name
left join vanished
    on
        latest_states.region = vanished.region
        and latest_states.project_id = vanished.project_id
        and latest_states.job_id = vanished.job_id
        and latest_states.created_at = vanished.created_at
left join main.last_loads as last_loads
    on
        latest_states.region = last_loads.region
        and latest_states.project_id = last_loads.project_id;

comment on view main.tasks is 'One row per task, in its latest state. All times are UTC.';
comment on column main.tasks.region is 'Region of the cloud, such as eu-de.';
comment on column main.tasks.project_id is 'Project in which the task ran.';
comment on column main.tasks.project_name is
'Last known name of the project; null if unknown.';
comment on column main.tasks.job_id is 'Identifier of the task within its project.';
comment on column main.tasks.task_name is 'Kind of the task, as the API names it.';
comment on column main.tasks.task_label is
'The kind in words; the task_name if the kind is not documented.';
comment on column main.tasks.category is
'Category of the kind: create, backup, restore, delete or scale; null if not documented.';
comment on column main.tasks.status is
'Status from the API: Running, Completed, Failed or another.';
comment on column main.tasks.is_finished is
'Whether the task has ended: completed, failed or canceled. Never null.';
comment on column main.tasks.is_failed is 'Whether the task has failed. Never null.';
comment on column main.tasks.progress_percent is
'Progress in per cent; null if the API gave no number.';
comment on column main.tasks.fail_reason is 'Reason of the failure, as the service reported it.';
comment on column main.tasks.created_at is 'When the task started, UTC.';
comment on column main.tasks.created_date is 'Day on which the task started, UTC.';
comment on column main.tasks.ended_at is
'When the task ended, UTC; an estimate while it is not finished.';
comment on column main.tasks.duration_ms is
'Milliseconds from start to end; null if unfinished, or if the end is before the start.';
comment on column main.tasks.duration_seconds is 'duration_ms in seconds.';
comment on column main.tasks.instance_id is 'Instance that the task worked on.';
comment on column main.tasks.instance_name is 'Name of the instance when the state was observed.';
comment on column main.tasks.instance_status is
'Status of the instance when the state was observed.';
comment on column main.tasks.first_seen_at is
'Clock of the load that first observed the task, UTC.';
comment on column main.tasks.last_changed_at is
'Clock of the load that first observed this state, UTC.';
comment on column main.tasks.last_seen_at is
'Clock of the load that last observed this state, UTC; updated until the task finishes.';
comment on column main.tasks.version_count is 'Number of distinct states observed.';
comment on column main.tasks.vanished_at is
'When a load found the task deleted from the task center, UTC; null while it is listed there.';
comment on column main.tasks.is_lost_from_sight is
'Whether the task left the API''s horizon before a load found it finished or deleted. Never null.';
comment on column main.tasks.extra is 'Fields of the record that have no column, as JSON.';
