-- one row per failed task, with the pattern of its reason
-- order by failed_at desc, region, project_id, job_id
create or replace view main.failed_tasks as
with

failed_tasks as (
    select
        *,
        coalesce(ended_at, created_at) as failed_at,
        -- Mask the name of the instance, but not where it is part of another name.
        case
            when length(instance_name) >= 3 and contains(fail_reason, instance_name)
                then regexp_replace(
                    fail_reason,
                    '(^|[^A-Za-z0-9-])' || regexp_escape(instance_name) || '($|[^A-Za-z0-9-])',
                    '\1<instance>\2',
                    'g'
                )
            else fail_reason
        end as reason_of_any_instance,
        nullif(
            trim(regexp_replace(reason_of_any_instance, '\s+', ' ', 'g')), ''
        ) as reason
    from main.tasks
    where is_failed
),

-- Each mask works on the result of the mask before it.
masked_reasons as (
    select
        *,
        -- quoted texts, but not the apostrophes of "can't"
        regexp_replace(
            reason, '\B''[^'']*''\B|"[^"]*"', '<name>', 'g'
        ) as without_names,
        -- dates and times in ISO 8601
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
        -- numbers, but not those in error codes such as DBS.280001
        regexp_replace(
            without_addresses, '(^|[^0-9.]|[^0-9A-Z]\.)\d+(?:[.,]\d+)*', '\1<n>', 'g'
        ) as reason_pattern
    from failed_tasks
)

select
    region,
    project_id,
    project_name,
    job_id,
    task_name,
    task_label,
    category,
    instance_id,
    instance_name,
    created_at,
    created_date,
    failed_at,
    duration_seconds,
    coalesce(reason_pattern, '(no reason given)') as reason_pattern,
    fail_reason
from masked_reasons;

comment on view main.failed_tasks is
'One row per failed task, with its reason and the pattern of the reason. All times are UTC.';
comment on column main.failed_tasks.region is 'Region of the cloud, such as eu-de.';
comment on column main.failed_tasks.project_id is 'Project in which the task ran.';
comment on column main.failed_tasks.project_name is
'Last known name of the project; null if unknown.';
comment on column main.failed_tasks.job_id is 'Identifier of the task within its project.';
comment on column main.failed_tasks.task_name is 'Kind of the task, as the API names it.';
comment on column main.failed_tasks.task_label is
'The kind in words; the task_name if the kind is not documented.';
comment on column main.failed_tasks.category is
'Category of the kind: create, backup, restore, delete or scale; null if not documented.';
comment on column main.failed_tasks.instance_id is 'Instance that the task worked on.';
comment on column main.failed_tasks.instance_name is
'Name of the instance when the state was observed.';
comment on column main.failed_tasks.created_at is 'When the task started, UTC.';
comment on column main.failed_tasks.created_date is 'Day on which the task started, UTC.';
comment on column main.failed_tasks.failed_at is
'When the task ended, UTC; its start if it has no end.';
comment on column main.failed_tasks.duration_seconds is
'Seconds from start to end; null if there is no end, or if it is before the start.';
comment on column main.failed_tasks.reason_pattern is
'The reason with ids, addresses, quoted names, times and numbers masked.';
comment on column main.failed_tasks.fail_reason is
'Reason of the failure, as the service reported it.';
