-- one row per task name with a finished task
-- order by failed_count desc, finished_count desc, task_name
create or replace view main.failure_rates_by_name as
with

counts as (
    select
        task_name,
        task_label,
        count(*) as finished_count,
        count(*) filter (where is_failed) as failed_count,
        power(cast(1.959963984540054 as double), 2) as z_squared
    from main.tasks
    where is_finished
    group by task_name, task_label
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
    task_name,
    task_label,
    finished_count,
    failed_count,
    failure_rate,
    greatest(0.0, least(centre - half_width, failure_rate)) as failure_rate_low,
    least(1.0, greatest(centre + half_width, failure_rate)) as failure_rate_high
from intervals;

comment on view main.failure_rates_by_name is
'How often finished tasks failed: one row per task name, over all projects.';
comment on column main.failure_rates_by_name.task_name is
'Kind of the task as the API names it; null is a group of its own.';
comment on column main.failure_rates_by_name.task_label is
'The kind in words; the task_name where the kind is not documented.';
comment on column main.failure_rates_by_name.finished_count is
'Finished tasks: completed, failed or canceled; those in flight never count.';
comment on column main.failure_rates_by_name.failed_count is 'Failed tasks among them.';
comment on column main.failure_rates_by_name.failure_rate is
'failed_count / finished_count, 0 to 1.';
comment on column main.failure_rates_by_name.failure_rate_low is
'Lower end of the 95 % Wilson score interval of the failure rate, 0 to 1.';
comment on column main.failure_rates_by_name.failure_rate_high is
'Upper end of the 95 % Wilson score interval of the failure rate, 0 to 1.';
