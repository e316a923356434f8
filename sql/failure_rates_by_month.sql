-- one row per month and task name with a finished task
-- theme: What failed
create or replace view main.failure_rates_by_month as
with

finished_tasks as (
    select
        cast(date_trunc('month', created_date) as date) as created_month,
        task_name,
        task_label,
        is_failed
    from main.tasks
    where is_finished
),

counts as (
    select
        created_month,
        task_name,
        task_label,
        count(*) as finished_count,
        count(*) filter (where is_failed) as failed_count
    from finished_tasks
    group by created_month, task_name, task_label
),

failure_rates as (
    {% include 'fragments/wilson_interval.sql' %}
)

select
    created_month,
    task_name,
    task_label,
    finished_count,
    failed_count,
    failure_rate,
    failure_rate_low,
    failure_rate_high
from failure_rates;

comment on view main.failure_rates_by_month is
'Failure rates of finished tasks: one row per month of start and task name, over all projects.';
comment on column main.failure_rates_by_month.created_month is
'Month in which the tasks started, as its first day, UTC.';
comment on column main.failure_rates_by_month.task_name is
'Kind of the task, as the API names it; tasks without one are a group.';
comment on column main.failure_rates_by_month.task_label is
'The kind in words; the task_name if the kind is not documented.';
comment on column main.failure_rates_by_month.finished_count is
'Finished tasks: completed, failed or canceled; running tasks do not count.';
comment on column main.failure_rates_by_month.failed_count is 'Failed tasks among them.';
comment on column main.failure_rates_by_month.failure_rate is
'failed_count / finished_count, 0 to 1.';
comment on column main.failure_rates_by_month.failure_rate_low is
'Lower limit of the 95 % Wilson score interval of the failure rate, 0 to 1.';
comment on column main.failure_rates_by_month.failure_rate_high is
'Upper limit of the 95 % Wilson score interval of the failure rate, 0 to 1.';
