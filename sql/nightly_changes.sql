-- one row per task that its project's last load found new, changed, deleted or listed again
-- theme: What is new
-- order by is_failed desc, is_vanished desc, created_at desc, region, project_id, job_id
create or replace view main.nightly_changes as
with

-- Rows that a load wrote have its clock: new states, deleted tasks and reappeared tasks.
touched_tasks as (
    select
        last_loads.observed_at,
        tasks.region,
        tasks.project_id,
        tasks.job_id,
        tasks.created_at
    from main.last_loads
    inner join task_center.tasks
        on
            last_loads.region = tasks.region
            and last_loads.project_id = tasks.project_id
            and last_loads.observed_at = tasks.last_changed_at
    union
    select
        last_loads.observed_at,
        vanished_tasks_of_load.region,
        vanished_tasks_of_load.project_id,
        vanished_tasks_of_load.job_id,
        vanished_tasks_of_load.created_at
    from main.last_loads
    inner join task_center.vanished_tasks as vanished_tasks_of_load
        on
            last_loads.region = vanished_tasks_of_load.region
            and last_loads.project_id = vanished_tasks_of_load.project_id
            and last_loads.observed_at = vanished_tasks_of_load.vanished_at
    where vanished_tasks_of_load.reappeared_at is null
    union
    select
        last_loads.observed_at,
        reappeared_tasks.region,
        reappeared_tasks.project_id,
        reappeared_tasks.job_id,
        reappeared_tasks.created_at
    from main.last_loads
    inner join task_center.vanished_tasks as reappeared_tasks
        on
            last_loads.region = reappeared_tasks.region
            and last_loads.project_id = reappeared_tasks.project_id
            and last_loads.observed_at = reappeared_tasks.reappeared_at
),

-- The state before the load, since a load can observe several new states of a task.
previous_versions as (
    select
        touched_tasks.region,
        touched_tasks.project_id,
        touched_tasks.job_id,
        touched_tasks.created_at,
        {{ last(
            "coalesce(earlier_versions.status, '')", 'earlier_versions.version'
        ) }} as status
    from touched_tasks
    inner join task_center.task_versions as earlier_versions
        on
            touched_tasks.region = earlier_versions.region
            and touched_tasks.project_id = earlier_versions.project_id
            and touched_tasks.job_id = earlier_versions.job_id
            and touched_tasks.created_at = earlier_versions.created_at
            and touched_tasks.observed_at <> earlier_versions.observed_at
    group by
        touched_tasks.region,
        touched_tasks.project_id,
        touched_tasks.job_id,
        touched_tasks.created_at
),

changes as (
    select
        tasks.*,
        touched_tasks.observed_at,
        nullif(previous_versions.status, '') as previous_status,
        tasks.first_seen_at = touched_tasks.observed_at as is_new,
        tasks.last_changed_at = touched_tasks.observed_at as has_new_state,
        coalesce(tasks.vanished_at = touched_tasks.observed_at, false) as is_vanished,
        coalesce(
            lower({{ trim('previous_versions.status') }})
            in ('completed', 'failed', 'canceled', 'cancelled'),
            false
        ) as was_finished,
        coalesce(lower({{ trim('previous_versions.status') }}) = 'failed', false) as was_failed
    from touched_tasks
    inner join main.tasks
        on
            touched_tasks.region = tasks.region
            and touched_tasks.project_id = tasks.project_id
            and touched_tasks.job_id = tasks.job_id
            and touched_tasks.created_at = tasks.created_at
    left join previous_versions
        on
            tasks.region = previous_versions.region
            and tasks.project_id = previous_versions.project_id
            and tasks.job_id = previous_versions.job_id
            and tasks.created_at = previous_versions.created_at
)

select
    region,
    project_id,
    project_name,
    observed_at,
    job_id,
    task_name,
    task_label,
    instance_id,
    instance_name,
    instance_status,
    case when has_new_state then previous_status else status end as previous_status,
    status,
    is_new,
    has_new_state and not is_new as is_changed,
    has_new_state and is_finished and not was_finished as is_ended,
    has_new_state and is_failed and not was_failed as is_failed,
    is_vanished,
    not has_new_state and not is_vanished as is_reappeared,
    fail_reason,
    created_at,
    ended_at,
    duration_seconds
from changes;

comment on view main.nightly_changes is
'Changes found by the last load: one row per task that is new, changed, deleted or listed again.';
comment on column main.nightly_changes.region is 'Region of the cloud, such as eu-de.';
comment on column main.nightly_changes.project_id is 'Project in which the task ran.';
comment on column main.nightly_changes.project_name is
'Last known name of the project; null if unknown.';
comment on column main.nightly_changes.observed_at is
'Clock of the project''s last load that did not fail, UTC; the view shows its changes.';
comment on column main.nightly_changes.job_id is 'Identifier of the task within its project.';
comment on column main.nightly_changes.task_name is 'Kind of the task, as the API names it.';
comment on column main.nightly_changes.task_label is
'The kind in words; the task_name if the kind is not documented.';
comment on column main.nightly_changes.instance_id is 'Instance that the task worked on.';
comment on column main.nightly_changes.instance_name is 'Name of the instance in the latest state.';
comment on column main.nightly_changes.instance_status is
'Status of the instance in the latest state.';
comment on column main.nightly_changes.previous_status is
'Status before the load; null for a new task.';
comment on column main.nightly_changes.status is 'Status in the latest state.';
comment on column main.nightly_changes.is_new is
'Whether the load observed the task for the first time.';
comment on column main.nightly_changes.is_changed is
'Whether the load observed a known task in a new state.';
comment on column main.nightly_changes.is_ended is
'Whether the load first observed the task as finished: completed, failed or canceled.';
comment on column main.nightly_changes.is_failed is
'Whether the load first observed the task as failed.';
comment on column main.nightly_changes.is_vanished is
'Whether the load found the task deleted from the task center.';
comment on column main.nightly_changes.is_reappeared is
'Whether the load observed a task again, unchanged, that an earlier load had found deleted.';
comment on column main.nightly_changes.fail_reason is
'Reason of the failure, as the service reported it.';
comment on column main.nightly_changes.created_at is 'When the task started, UTC.';
comment on column main.nightly_changes.ended_at is
'When the task ended, UTC; an estimate while it is not finished.';
comment on column main.nightly_changes.duration_seconds is
'Seconds from start to end; null if unfinished, or if the end is before the start.';
