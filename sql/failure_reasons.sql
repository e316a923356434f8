-- one row per pattern of reasons for which tasks failed
-- theme: What failed
-- order by failed_count desc, reason_pattern
create or replace view main.failure_reasons as
with

reasons as (
    select
        reason_pattern,
        count(*) as failed_count,
        min(failed_at) as first_failed_at,
        max(failed_at) as last_failed_at,
        {{ last(
            "case when reason_pattern <> '(no reason given)' then fail_reason end",
            'failed_at', 'created_at',
            'region collate "C"', 'project_id collate "C"', 'job_id collate "C"'
        ) }} as example
    from main.failed_tasks
    group by reason_pattern
)

select
    reason_pattern,
    failed_count,
    cast(failed_count as {{ double }}) / sum(failed_count) over () as share,
    first_failed_at,
    last_failed_at,
    example
from reasons;

comment on view main.failure_reasons is
'Reasons of failures: one row per pattern, in which details of single tasks are masked.';
comment on column main.failure_reasons.reason_pattern is
'The reason with <name>, <time>, <id>, <address> and <n> in place of details.';
comment on column main.failure_reasons.failed_count is
'Failed tasks with a reason of this pattern.';
comment on column main.failure_reasons.share is 'failed_count / all failed tasks, 0 to 1.';
comment on column main.failure_reasons.first_failed_at is
'When the first of them ended, UTC; its start if the end is unknown.';
comment on column main.failure_reasons.last_failed_at is
'When the last of them ended, UTC; its start if the end is unknown.';
comment on column main.failure_reasons.example is
'The unmasked reason of the last of them; null if none was given.';
