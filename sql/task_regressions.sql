-- one row per task name with a finished task that started in the last five weeks
-- theme: What is new
-- order by is_slower or is_failing_more desc, recent_finished_count desc, task_name
create or replace view main.task_regressions as
with

-- Weeks end at the newest load, not today: an archive without new loads shows its last week.
periods as (
    select
        max(observed_at) as recent_to,
        max(observed_at) - interval '7' day as recent_from,
        max(observed_at) - interval '35' day as baseline_from,
        -- Without a change, one comparison in a thousand is above this limit (p < 0.001).
        3.090232306167813 as z_limit
    from main.last_loads
),

finished_tasks as (
    select
        tasks.task_name,
        tasks.task_label,
        tasks.duration_ms,
        tasks.is_failed,
        tasks.created_at >= periods.recent_from as is_recent
    from main.tasks
    cross join periods
    where
        tasks.is_finished
        and tasks.created_at >= periods.baseline_from
        and tasks.created_at <= periods.recent_to
),

groups as (
    select
        task_name,
        task_label,
        cast(count(*) filter (where is_recent) as {{ double }}) as recent_n,
        cast(count(*) filter (where not is_recent) as {{ double }}) as baseline_n,
        cast(count(*) filter (where is_recent and is_failed) as {{ double }}) as recent_failed_n,
        cast(
            count(*) filter (where not is_recent and is_failed) as {{ double }}
        ) as baseline_failed_n,
        percentile_cont(0.5) within group (order by duration_ms) filter (
            where is_recent
        ) / 1000 as recent_p50_seconds,
        percentile_cont(0.5) within group (order by duration_ms) filter (
            where not is_recent
        ) / 1000 as baseline_p50_seconds
    from finished_tasks
    group by task_name, task_label
),

-- Mann-Whitney: how often does a recent task take longer than an earlier one? A tie counts half.
duration_counts as (
    select
        task_name,
        duration_ms,
        cast(count(*) filter (where is_recent) as {{ double }}) as recent_n,
        cast(count(*) filter (where not is_recent) as {{ double }}) as baseline_n
    from finished_tasks
    where duration_ms is not null
    group by task_name, duration_ms
),

ranked_counts as (
    select
        *,
        recent_n + baseline_n as tied_n,
        sum(baseline_n) over (
            partition by task_name
            order by duration_ms
            rows between unbounded preceding and current row
        ) - baseline_n / 2 as shorter_n
    from duration_counts
),

rank_sums as (
    select
        task_name,
        sum(recent_n) as recent_n,
        sum(baseline_n) as baseline_n,
        sum(tied_n) as all_n,
        sum(recent_n * shorter_n) as exceeding_pairs,
        sum(tied_n * tied_n * tied_n - tied_n) as tie_term
    from ranked_counts
    group by task_name
),

rank_excesses as (
    select
        *,
        exceeding_pairs - recent_n * baseline_n / 2 as excess
    from rank_sums
),

duration_tests as (
    select
        *,
        sign(excess) * greatest(abs(excess) - 0.5, 0) / nullif(
            sqrt(
                recent_n * baseline_n / 12
                * (all_n + 1 - tie_term / nullif(all_n * (all_n - 1), 0))
            ),
            0
        ) as z
    from rank_excesses
),

-- Test of two proportions with pooled rate and continuity correction.
rates as (
    select
        *,
        recent_failed_n / nullif(recent_n, 0) as recent_failure_rate,
        baseline_failed_n / nullif(baseline_n, 0) as baseline_failure_rate,
        (recent_failed_n + baseline_failed_n) / (recent_n + baseline_n) as common_rate,
        1 / nullif(recent_n, 0) + 1 / nullif(baseline_n, 0) as spread
    from groups
),

rate_changes as (
    select
        *,
        recent_failure_rate - baseline_failure_rate as excess
    from rates
),

failure_tests as (
    select
        *,
        sign(excess) * greatest(abs(excess) - spread / 2, 0)
        / nullif(sqrt(common_rate * (1 - common_rate) * spread), 0) as z
    from rate_changes
)

-- With fewer than five tasks in a period, the tests are not reliable.
select
    failure_tests.task_name,
    failure_tests.task_label,
    periods.baseline_from,
    periods.recent_from,
    periods.recent_to,
    cast(failure_tests.baseline_n as bigint) as baseline_finished_count,
    cast(failure_tests.recent_n as bigint) as recent_finished_count,
    cast(coalesce(duration_tests.baseline_n, 0) as bigint) as baseline_measured_count,
    cast(coalesce(duration_tests.recent_n, 0) as bigint) as recent_measured_count,
    failure_tests.baseline_p50_seconds,
    failure_tests.recent_p50_seconds,
    failure_tests.recent_p50_seconds - failure_tests.baseline_p50_seconds as p50_change_seconds,
    duration_tests.z as duration_z_score,
    coalesce(
        failure_tests.recent_p50_seconds > failure_tests.baseline_p50_seconds
        and duration_tests.z > periods.z_limit
        and least(duration_tests.recent_n, duration_tests.baseline_n) >= 5,
        false
    ) as is_slower,
    cast(failure_tests.baseline_failed_n as bigint) as baseline_failed_count,
    cast(failure_tests.recent_failed_n as bigint) as recent_failed_count,
    failure_tests.baseline_failure_rate,
    failure_tests.recent_failure_rate,
    failure_tests.z as failure_z_score,
    coalesce(
        failure_tests.z > periods.z_limit
        and least(failure_tests.recent_n, failure_tests.baseline_n) >= 5,
        false
    ) as is_failing_more
from failure_tests
cross join periods
left join duration_tests
    on failure_tests.task_name is not distinct from duration_tests.task_name;

comment on view main.task_regressions is
'Tasks of the last 7 days compared with the 4 weeks before: one row per task name.';
comment on column main.task_regressions.task_name is
'Kind of the task, as the API names it; tasks without one are a group.';
comment on column main.task_regressions.task_label is
'The kind in words; the task_name if the kind is not documented.';
comment on column main.task_regressions.baseline_from is
'Start of the 4 weeks before, UTC; they end at recent_from.';
comment on column main.task_regressions.recent_from is 'Start of the last 7 days, UTC.';
comment on column main.task_regressions.recent_to is
'End of the last 7 days, UTC: the clock of the newest load.';
comment on column main.task_regressions.baseline_finished_count is
'Finished tasks that started in the 4 weeks before.';
comment on column main.task_regressions.recent_finished_count is
'Finished tasks that started in the last 7 days.';
comment on column main.task_regressions.baseline_measured_count is
'Finished tasks of the 4 weeks before that have a duration.';
comment on column main.task_regressions.recent_measured_count is
'Finished tasks of the last 7 days that have a duration.';
comment on column main.task_regressions.baseline_p50_seconds is
'Median duration in the 4 weeks before, in seconds; exact, interpolated.';
comment on column main.task_regressions.recent_p50_seconds is
'Median duration in the last 7 days, in seconds; exact, interpolated.';
comment on column main.task_regressions.p50_change_seconds is
'Recent median minus baseline median, in seconds.';
comment on column main.task_regressions.duration_z_score is
'Mann-Whitney test of the durations, in standard errors, corrected for ties and continuity.';
comment on column main.task_regressions.is_slower is
'Whether tasks take significantly longer (p < 0.001, 5 or more in each period). Never null.';
comment on column main.task_regressions.baseline_failed_count is
'Failed tasks among the finished tasks of the 4 weeks before.';
comment on column main.task_regressions.recent_failed_count is
'Failed tasks among the finished tasks of the last 7 days.';
comment on column main.task_regressions.baseline_failure_rate is
'baseline_failed_count / baseline_finished_count, 0 to 1.';
comment on column main.task_regressions.recent_failure_rate is
'recent_failed_count / recent_finished_count, 0 to 1.';
comment on column main.task_regressions.failure_z_score is
'Test of the two failure rates, in standard errors, with Yates''s continuity correction.';
comment on column main.task_regressions.is_failing_more is
'Whether significantly more tasks fail (p < 0.001, 5 or more in each period). Never null.';
