-- one row per kind of reason for which tasks failed
-- order by failed_count desc, reason_pattern
create or replace view main.failure_reasons as
with

failed_tasks as (
    select
        region,
        project_id,
        job_id,
        created_at,
        coalesce(ended_at, created_at) as failed_at,
        -- The name of the instance itself is told by another column.
        case
            when length(instance_name) >= 3
                then replace(fail_reason, instance_name, '<instance>')
            else fail_reason
        end as reason_of_any_instance,
        nullif(
            trim(regexp_replace(reason_of_any_instance, '\s+', ' ', 'g')), ''
        ) as reason,
        fail_reason
    from main.tasks
    where is_failed
),

-- Each mask sees what the masks before it have left.
masked_reasons as (
    select
        *,
        -- quoted texts, but not the apostrophes of "can't"
        regexp_replace(
            reason, '\B''[^'']*''\B|"[^"]*"', '<name>', 'g'
        ) as without_names,
        -- days and times of day as ISO 8601 writes them
        regexp_replace(
            without_names,
            '\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:Z|[+-]\d\d:?\d\d)?)?',
            '<time>',
            'g'
        ) as without_times,
        -- UUIDs; ids of resources, which end in a suffix such as in14; other long hex numbers
        regexp_replace(
            without_times,
            '(?i)[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}'
            || '|[0-9a-f]{32}[a-z]{2}\d\d|[0-9a-f]{16,}',
            '<id>',
            'g'
        ) as without_ids,
        -- IPv6 in full, shortened in the middle or at its end, shortened at its start; IPv4
        regexp_replace(
            without_ids,
            '(?i)\b(?:[0-9a-f]{1,4}:){7}[0-9a-f]{1,4}\b'
            || '|\b[0-9a-f]{1,4}(?::[0-9a-f]{1,4})*::(?:[0-9a-f]{1,4}(?::[0-9a-f]{1,4})*\b)?'
            || '|\B::[0-9a-f]{1,4}(?::[0-9a-f]{1,4})*(?:\.\d{1,3}){0,3}\b'
            || '|\b\d{1,3}(?:\.\d{1,3}){3}\b',
            '<address>',
            'g'
        ) as without_addresses,
        -- numbers, but not those of error codes such as DBS.280001
        regexp_replace(
            without_addresses, '(^|[^0-9.]|[^0-9A-Z]\.)\d+(?:[.,]\d+)*', '\1<n>', 'g'
        ) as reason_pattern
    from failed_tasks
),

reasons as (
    select
        coalesce(reason_pattern, '(no reason given)') as reason_pattern,
        count(*) as failed_count,
        min(failed_at) as first_failed_at,
        max(failed_at) as last_failed_at,
        arg_max(fail_reason, (failed_at, created_at, region, project_id, job_id)) filter (
            where reason is not null
        ) as example
    from masked_reasons
    group by coalesce(reason_pattern, '(no reason given)')
)

select
    reason_pattern,
    failed_count,
    failed_count / sum(failed_count) over () as share,
    first_failed_at,
    last_failed_at,
    example
from reasons;

comment on view main.failure_reasons is
'Why tasks fail: one row per kind of reason, with what differs from task to task masked.';
comment on column main.failure_reasons.reason_pattern is
'The reason with <name>, <time>, <id>, <address> and <n> for what differs from task to task.';
comment on column main.failure_reasons.failed_count is 'Failed tasks with such a reason.';
comment on column main.failure_reasons.share is
'failed_count over all failed tasks, 0 to 1.';
comment on column main.failure_reasons.first_failed_at is
'When the first of them ended, UTC; its start where the end is not known.';
comment on column main.failure_reasons.last_failed_at is
'When the last of them ended, UTC; its start where the end is not known.';
comment on column main.failure_reasons.example is
'The reason of the last of them, word for word; null where none was given.';
