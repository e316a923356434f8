-- What was done to an instance, and by when was it done?
-- set instance: its name or id; by default the one with most failures
with

most_failing as (
    select instance_id
    from failure_rates_by_instance
    order by failed_count desc, instance_id
    limit 1
),

wanted as (
    select coalesce(cast(getvariable('instance') as varchar), instance_id) as instance
    from most_failing
)

select
    timeline.instance_name,
    timeline.task_number,
    timeline.created_at,
    timeline.ended_at,
    timeline.task_label,
    timeline.status,
    timeline.fail_reason
from instance_timeline as timeline
inner join wanted
    on timeline.instance_id = wanted.instance or timeline.instance_name = wanted.instance
order by timeline.region, timeline.project_id, timeline.instance_id, timeline.task_number
