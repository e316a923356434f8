-- one row per instance with a finished task
-- theme: What failed
-- order by failed_count desc, finished_count desc, region, project_id, instance_id
create or replace view main.failure_rates_by_instance as
with

counts as (
    select
        region,
        project_id,
        instance_id,
        {{ last('instance_name', 'created_at', 'job_id collate "C"') }} as instance_name,
        count(*) filter (where is_finished) as finished_count,
        count(*) filter (where is_failed) as failed_count
    from main.tasks
    group by region, project_id, instance_id
    having count(*) filter (where is_finished) > 0
),

failure_rates as (
    {% include 'fragments/wilson_interval.sql' %}
)

-- The names are joined to the few groups, not to the many tasks.
select
    failure_rates.region,
    failure_rates.project_id,
    last_loads.project_name,
    failure_rates.instance_id,
    failure_rates.instance_name,
    failure_rates.finished_count,
    failure_rates.failed_count,
    failure_rates.failure_rate,
    failure_rates.failure_rate_low,
    failure_rates.failure_rate_high
from failure_rates
left join main.last_loads
    on
        failure_rates.region = last_loads.region
        and failure_rates.project_id = last_loads.project_id;

comment on view main.failure_rates_by_instance is
'Failure rates of finished tasks: one row per instance.';
comment on column main.failure_rates_by_instance.region is 'Region of the cloud, such as eu-de.';
comment on column main.failure_rates_by_instance.project_id is 'Project in which the tasks ran.';
comment on column main.failure_rates_by_instance.project_name is
'Last known name of the project; null if unknown.';
comment on column main.failure_rates_by_instance.instance_id is
'Instance that the tasks worked on; tasks without one are a group.';
comment on column main.failure_rates_by_instance.instance_name is
'Name of the instance in its latest task with a name, finished or not.';
comment on column main.failure_rates_by_instance.finished_count is
'Finished tasks: completed, failed or canceled; running tasks do not count.';
comment on column main.failure_rates_by_instance.failed_count is 'Failed tasks among them.';
comment on column main.failure_rates_by_instance.failure_rate is
'failed_count / finished_count, 0 to 1.';
comment on column main.failure_rates_by_instance.failure_rate_low is
'Lower limit of the 95 % Wilson score interval of the failure rate, 0 to 1.';
comment on column main.failure_rates_by_instance.failure_rate_high is
'Upper limit of the 95 % Wilson score interval of the failure rate, 0 to 1.';
