-- one row per instance with a finished task that has a duration
-- theme: How long tasks take
-- order by finished_count desc, region, project_id, instance_id
create or replace view main.task_durations_by_instance as
with

-- Running tasks are kept without a duration, since one of them may have the latest name.
measured_tasks as (
    select
        region,
        project_id,
        instance_id,
        instance_name,
        created_at,
        job_id,
        case when is_finished then duration_ms end as finished_duration_ms
    from main.tasks
),

durations as (
    select
        region,
        project_id,
        instance_id,
        {{ last('instance_name', 'created_at', 'job_id collate "C"') }} as instance_name,
        count(finished_duration_ms) as finished_count,
        cast(min(finished_duration_ms) as {{ double }}) / 1000 as min_seconds,
        cast(sum(finished_duration_ms) as {{ double }})
        / count(finished_duration_ms) / 1000 as avg_seconds,
        percentile_cont(0.5) within group (order by finished_duration_ms) / 1000 as p50_seconds,
        percentile_cont(0.9) within group (order by finished_duration_ms) / 1000 as p90_seconds,
        percentile_cont(0.95) within group (order by finished_duration_ms) / 1000 as p95_seconds,
        percentile_cont(0.99) within group (order by finished_duration_ms) / 1000 as p99_seconds,
        cast(max(finished_duration_ms) as {{ double }}) / 1000 as max_seconds
    from measured_tasks
    group by region, project_id, instance_id
    having count(finished_duration_ms) > 0
)

-- The names are joined to the few groups, not to the many tasks.
select
    durations.region,
    durations.project_id,
    last_loads.project_name,
    durations.instance_id,
    durations.instance_name,
    durations.finished_count,
    durations.min_seconds,
    durations.avg_seconds,
    durations.p50_seconds,
    durations.p90_seconds,
    durations.p95_seconds,
    durations.p99_seconds,
    durations.max_seconds
from durations
left join main.last_loads
    on
        durations.region = last_loads.region
        and durations.project_id = last_loads.project_id;

comment on view main.task_durations_by_instance is
'Durations of finished tasks, failed ones included: one row per instance.';
comment on column main.task_durations_by_instance.region is 'Region of the cloud, such as eu-de.';
comment on column main.task_durations_by_instance.project_id is 'Project in which the tasks ran.';
comment on column main.task_durations_by_instance.project_name is
'Last known name of the project; null if unknown.';
comment on column main.task_durations_by_instance.instance_id is
'Instance that the tasks worked on; tasks without one are a group.';
comment on column main.task_durations_by_instance.instance_name is
'Name of the instance in its latest task with a name, finished or not.';
comment on column main.task_durations_by_instance.finished_count is
'Finished tasks with a duration, failed and canceled ones included.';
comment on column main.task_durations_by_instance.min_seconds is 'Shortest duration, in seconds.';
comment on column main.task_durations_by_instance.avg_seconds is 'Mean duration, in seconds.';
comment on column main.task_durations_by_instance.p50_seconds is
'Median duration, in seconds; exact, interpolated.';
comment on column main.task_durations_by_instance.p90_seconds is
'90th percentile of the duration, in seconds; exact, interpolated.';
comment on column main.task_durations_by_instance.p95_seconds is
'95th percentile of the duration, in seconds; exact, interpolated.';
comment on column main.task_durations_by_instance.p99_seconds is
'99th percentile of the duration, in seconds; exact, interpolated.';
comment on column main.task_durations_by_instance.max_seconds is 'Longest duration, in seconds.';
