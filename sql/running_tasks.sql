-- one row per task in flight or lost from sight
-- theme: What runs
-- order by age_seconds desc, region, project_id, job_id
create or replace view main.running_tasks as
with

tasks_in_flight as (
    select
        tasks.*,
        last_loads.horizon_ms,
        {{ seconds_between('tasks.created_at', 'last_loads.observed_at') }} as age_seconds
    from main.tasks
    left join main.last_loads
        on
            tasks.region = last_loads.region
            and tasks.project_id = last_loads.project_id
    where not tasks.is_finished and tasks.vanished_at is null
)

select
    tasks_in_flight.region,
    tasks_in_flight.project_id,
    tasks_in_flight.project_name,
    tasks_in_flight.job_id,
    tasks_in_flight.task_name,
    tasks_in_flight.task_label,
    tasks_in_flight.status,
    tasks_in_flight.instance_id,
    tasks_in_flight.instance_name,
    tasks_in_flight.instance_status,
    tasks_in_flight.progress_percent,
    tasks_in_flight.created_at,
    tasks_in_flight.age_seconds,
    durations.p95_seconds as typical_seconds,
    coalesce(tasks_in_flight.age_seconds > durations.p95_seconds, false)
    and not tasks_in_flight.is_lost_from_sight as is_overdue,
    tasks_in_flight.last_seen_at,
    tasks_in_flight.created_at
    + {{ milliseconds('tasks_in_flight.horizon_ms') }} as leaves_horizon_at,
    tasks_in_flight.is_lost_from_sight
from tasks_in_flight
left join main.task_durations_by_name as durations
    on tasks_in_flight.task_name is not distinct from durations.task_name;

comment on view main.running_tasks is
'One row per task in flight or lost from sight, as of its project''s last load.';
comment on column main.running_tasks.region is 'Region of the cloud, such as eu-de.';
comment on column main.running_tasks.project_id is 'Project in which the task runs.';
comment on column main.running_tasks.project_name is
'Last known name of the project; null if unknown.';
comment on column main.running_tasks.job_id is 'Identifier of the task within its project.';
comment on column main.running_tasks.task_name is 'Kind of the task, as the API names it.';
comment on column main.running_tasks.task_label is
'The kind in words; the task_name if the kind is not documented.';
comment on column main.running_tasks.status is 'Status from the API.';
comment on column main.running_tasks.instance_id is 'Instance that the task works on.';
comment on column main.running_tasks.instance_name is
'Name of the instance when the state was observed.';
comment on column main.running_tasks.instance_status is
'Status of the instance when the state was observed.';
comment on column main.running_tasks.progress_percent is
'Progress in per cent; null if the API gave no number.';
comment on column main.running_tasks.created_at is 'When the task started, UTC.';
comment on column main.running_tasks.age_seconds is
'Seconds from its start to the clock of the project''s last load that did not fail.';
comment on column main.running_tasks.typical_seconds is
'95th percentile of the durations of finished tasks of that name, in seconds; null if none.';
comment on column main.running_tasks.is_overdue is
'Whether it is in flight for more than typical_seconds; false if either is unknown.';
comment on column main.running_tasks.last_seen_at is
'Clock of the load that last observed the task, UTC.';
comment on column main.running_tasks.leaves_horizon_at is
'When the task leaves the API''s horizon, UTC: loads cannot read it from then on.';
comment on column main.running_tasks.is_lost_from_sight is
'Whether the task left the API''s horizon unfinished: its end stays unknown; else it is in flight.';
