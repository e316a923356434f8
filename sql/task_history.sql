-- one row per version of a task
-- theme: All tasks
-- order by valid_from desc, region, project_id, job_id, version desc
create or replace view main.task_history as
with

-- Version numbers have no gaps, so a join finds the next version. Unlike a window function, a join
-- lets DuckDB push any filter down to the scan. The condition `version > 1` keeps the join small,
-- since few tasks have a second version.
versions as (
    select
        task_versions.*,
        coalesce(
            lower({{ trim('task_versions.status') }})
            in ('completed', 'failed', 'canceled', 'cancelled'),
            false
        ) as is_finished,
        coalesce(lower({{ trim('task_versions.status') }}) = 'failed', false) as is_failed,
        next_versions.observed_at as valid_to,
        case
            when task_versions.version = 1 and next_versions.version is null
                then task_versions.observed_at
        end as only_observed_at
    from task_center.task_versions
    left join task_center.task_versions as next_versions
        on
            task_versions.region = next_versions.region
            and task_versions.project_id = next_versions.project_id
            and task_versions.job_id = next_versions.job_id
            and task_versions.created_at = next_versions.created_at
            and task_versions.version + 1 = next_versions.version
            and next_versions.version > 1
),

-- Most tasks were observed once, and are neither deleted nor lost. Their only version has all that
-- is to say of them. Without them this side of the join is small.
latest_states as (
    select *
    from main.tasks
    where
        version_count > 1
        or last_seen_at <> first_seen_at
        or vanished_at is not null
        or is_lost_from_sight
)

select
    versions.region,
    versions.project_id,
    last_loads.project_name,
    versions.job_id,
    versions.task_name,
    coalesce(task_types.task_label, versions.task_name) as task_label,
    task_types.category,
    versions.status,
    versions.is_finished,
    versions.is_failed,
    versions.progress_percent,
    versions.fail_reason,
    versions.created_at,
    versions.created_date,
    versions.ended_at,
    versions.duration_ms,
    cast(versions.duration_ms as {{ double }}) / 1000 as duration_seconds,
    versions.instance_id,
    versions.instance_name,
    versions.instance_status,
    coalesce(latest_states.first_seen_at, versions.only_observed_at) as first_seen_at,
    coalesce(latest_states.last_changed_at, versions.only_observed_at) as last_changed_at,
    coalesce(latest_states.last_seen_at, versions.only_observed_at) as last_seen_at,
    coalesce(
        latest_states.version_count,
        case when versions.only_observed_at is not null then 1 end
    ) as version_count,
    latest_states.vanished_at,
    coalesce(latest_states.is_lost_from_sight, false) as is_lost_from_sight,
    versions.extra,
    versions.version,
    versions.observed_at as valid_from,
    versions.valid_to,
    versions.version_hash,
    versions.raw
from versions
left join task_center.task_types as task_types
    on versions.task_name = task_types.task_name
left join latest_states
    on
        versions.region = latest_states.region
        and versions.project_id = latest_states.project_id
        and versions.job_id = latest_states.job_id
        and versions.created_at = latest_states.created_at
left join main.last_loads as last_loads
    on
        versions.region = last_loads.region
        and versions.project_id = last_loads.project_id;

comment on view main.task_history is
'One row per state of a task, in the order of observation. All times are UTC.';
comment on column main.task_history.region is 'Region of the cloud, such as eu-de.';
comment on column main.task_history.project_id is 'Project in which the task ran.';
comment on column main.task_history.project_name is
'Last known name of the project; null if unknown.';
comment on column main.task_history.job_id is 'Identifier of the task within its project.';
comment on column main.task_history.task_name is 'Kind of the task, as the API named it.';
comment on column main.task_history.task_label is
'The kind in words; the task_name if the kind is not documented.';
comment on column main.task_history.category is
'Category of the kind: create, backup, restore, delete or scale; null if not documented.';
comment on column main.task_history.status is
'Status from the API: Running, Completed, Failed or another.';
comment on column main.task_history.is_finished is
'Whether the task had ended: completed, failed or canceled. Never null.';
comment on column main.task_history.is_failed is 'Whether the task had failed. Never null.';
comment on column main.task_history.progress_percent is
'Progress in per cent; null if the API gave no number.';
comment on column main.task_history.fail_reason is
'Reason of the failure, as the service reported it.';
comment on column main.task_history.created_at is 'When the task started, UTC.';
comment on column main.task_history.created_date is 'Day on which the task started, UTC.';
comment on column main.task_history.ended_at is
'When the task ended, UTC; an estimate while it was not finished.';
comment on column main.task_history.duration_ms is
'Milliseconds from start to end; null if unfinished, or if the end is before the start.';
comment on column main.task_history.duration_seconds is 'duration_ms in seconds.';
comment on column main.task_history.instance_id is 'Instance that the task worked on.';
comment on column main.task_history.instance_name is
'Name of the instance when the state was observed.';
comment on column main.task_history.instance_status is
'Status of the instance when the state was observed.';
comment on column main.task_history.first_seen_at is
'Clock of the load that first observed the task, UTC; the same for all its versions.';
comment on column main.task_history.last_changed_at is
'Clock of the load that first observed the latest version, UTC; the same for all versions.';
comment on column main.task_history.last_seen_at is
'Clock of the load that last observed the latest version, UTC; the same for all versions.';
comment on column main.task_history.version_count is
'Number of distinct states of the task observed.';
comment on column main.task_history.vanished_at is
'When a load found the task deleted from the task center, UTC; null while it is listed there.';
comment on column main.task_history.is_lost_from_sight is
'Whether the task left the API''s horizon before a load found it finished or deleted. Never null.';
comment on column main.task_history.extra is 'Fields of the record that have no column, as JSON.';
comment on column main.task_history.version is '1 for the first observed state, then 2, and so on.';
comment on column main.task_history.valid_from is
'Clock of the load that first observed this version, UTC.';
comment on column main.task_history.valid_to is
'Clock of the load that found the next version, UTC: perhaps the same; null for the latest.';
comment on column main.task_history.version_hash is
'SHA-256 of the record as JSON with sorted keys and no white space, in hex.';
comment on column main.task_history.raw is 'The record, exactly as it was received.';
