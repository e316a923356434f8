-- one row per failed task, with the pattern of its reason
-- theme: What failed
-- order by failed_at desc, region, project_id, job_id
create or replace view main.failed_tasks as
with

failed_tasks as (
    select
        *,
        coalesce(ended_at, created_at) as failed_at,
        -- Mask the name of the instance, but not where it is part of another name.
        case
            when length(instance_name) >= 3 and position(instance_name in fail_reason) > 0
                then regexp_replace(
                    fail_reason,
                    '(^|[^A-Za-z0-9-])'
                    || regexp_replace(
                        instance_name, '([\\.^$*+?(){}|\[\]])', '\\\1'{{ every_match }}
                    )
                    || '($|[^A-Za-z0-9-])',
                    '\1<instance>\2'{{ every_match }}
                )
            else fail_reason
        end as reason_of_any_instance
    from main.tasks
    where is_failed
),

spaced_reasons as (
    select
        *,
        {{ masked('reason_of_any_instance', 'white_space') }} as spaced_reason
    from failed_tasks
),

trimmed_reasons as (
    select
        *,
        nullif({{ trim('spaced_reason') }}, '') as trimmed_reason
    from spaced_reasons
),

-- Each mask works on the result of the mask before it.
without_names as (
    select
        *,
        {{ masked('trimmed_reason', 'quoted_texts') }} as reason_without_names
    from trimmed_reasons
),

without_times as (
    select
        *,
        {{ masked('reason_without_names', 'times') }} as reason_without_times
    from without_names
),

without_ids as (
    select
        *,
        {{ masked('reason_without_times', 'ids') }} as reason_without_ids
    from without_times
),

without_addresses as (
    select
        *,
        {{ masked('reason_without_ids', 'addresses') }} as reason_without_addresses
    from without_ids
),

without_numbers as (
    select
        *,
        {{ masked('reason_without_addresses', 'numbers') }} as reason_pattern
    from without_addresses
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
from without_numbers;

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
