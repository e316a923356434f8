-- one row per instance with a finished task
-- order by failed_count desc, finished_count desc, region, project_id, instance_id
create or replace view main.failure_rates_by_instance as
with

counts as (
    select
        region,
        project_id,
        instance_id,
        arg_max(instance_name, (created_at, job_id)) as instance_name,
        count(*) filter (where is_finished) as finished_count,
        count(*) filter (where is_failed) as failed_count,
        power(cast(1.959963984540054 as double), 2) as z_squared
    from main.tasks
    group by region, project_id, instance_id
    having count(*) filter (where is_finished) > 0
),

-- Wilson score interval: z is the deviation within which 95 % of a normal distribution lie.
intervals as (
    select
        *,
        failed_count / finished_count as failure_rate,
        (failed_count + z_squared / 2) / (finished_count + z_squared) as centre,
        sqrt(
            z_squared * failed_count * (finished_count - failed_count) / finished_count
            + z_squared * z_squared / 4
        ) / (finished_count + z_squared) as half_width
    from counts
)

-- A rate lies within its interval, also where rounding would put it just outside.
select
    region,
    project_id,
    instance_id,
    instance_name,
    finished_count,
    failed_count,
    failure_rate,
    greatest(0.0, least(centre - half_width, failure_rate)) as failure_rate_low,
    least(1.0, greatest(centre + half_width, failure_rate)) as failure_rate_high
from intervals;

comment on view main.failure_rates_by_instance is
'How often finished tasks failed: one row per instance.';
comment on column main.failure_rates_by_instance.region is 'Region of the cloud, such as eu-de.';
comment on column main.failure_rates_by_instance.project_id is 'Project in which the tasks ran.';
comment on column main.failure_rates_by_instance.instance_id is
'Instance the tasks worked on; null is a group of its own.';
comment on column main.failure_rates_by_instance.instance_name is
'The instance''s name in its latest task that has one, finished or not.';
comment on column main.failure_rates_by_instance.finished_count is
'Finished tasks: completed, failed or canceled; those in flight never count.';
comment on column main.failure_rates_by_instance.failed_count is 'Failed tasks among them.';
comment on column main.failure_rates_by_instance.failure_rate is
'failed_count / finished_count, 0 to 1.';
comment on column main.failure_rates_by_instance.failure_rate_low is
'Lower end of the 95 % Wilson score interval of the failure rate, 0 to 1.';
comment on column main.failure_rates_by_instance.failure_rate_high is
'Upper end of the 95 % Wilson score interval of the failure rate, 0 to 1.';
