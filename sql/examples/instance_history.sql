-- What was done to an instance, and when?
-- theme: Instances
-- set instance: its current or former name, or its id; by default the instance with most failures
with

most_failing as (
    select instance_id
    from failure_rates_by_instance
    where instance_id is not null
    order by failed_count desc, instance_id
    limit 1
),

wanted as (
    select coalesce(cast(getvariable('instance') as varchar), max(instance_id)) as name_or_id
    from most_failing
),

-- A renamed instance is still one instance, and two instances may have had the same name.
instances as (
    select distinct
        tasks.region,
        tasks.project_id,
        tasks.instance_id
    from tasks
    inner join wanted
        on tasks.instance_id = wanted.name_or_id or tasks.instance_name = wanted.name_or_id
),

found as (
    select
        case
            when count(*) > 0 or getvariable('instance') is null then true
            else error(
                'no such instance: no task has this instance_name or instance_id; the view '
                || 'instance_timeline lists all'
            )
        end as is_known
    from instances
)

select
    timeline.instance_id,
    timeline.instance_name,
    row_number() over (
        partition by timeline.region, timeline.project_id, timeline.instance_id
        order by timeline.created_at, timeline.job_id
    ) as task_number,
    timeline.created_at,
    timeline.ended_at,
    timeline.task_label,
    timeline.status,
    timeline.fail_reason
from instance_timeline as timeline
inner join instances
    on
        timeline.region = instances.region
        and timeline.project_id = instances.project_id
        and timeline.instance_id = instances.instance_id
inner join found
    on found.is_known
order by timeline.region, timeline.project_id, timeline.instance_id, task_number
