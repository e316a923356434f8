-- one row per project with a load, failed or not
-- theme: Completeness
create or replace view main.archive_status as
with

-- For tests with another clock: set variable gaussdb_tasks_now = timestamp '...', in UTC. In
-- PostgreSQL: set gaussdb_tasks.now = '...'.
clock as (
    select {{ clock }} as queried_at
),

projects as (
    select
        region,
        project_id,
        {{ last(
            "case when outcome = 'failed' then project_name end", 'load_number'
        ) }} as failed_name,
        {{ last('archive_id', 'load_number') }} as archive_id,
        {{ last('observed_at', 'load_number') }} as last_run_at,
        {{ last('outcome', 'load_number') }} as last_outcome,
        {{ last(
            "case when outcome = 'complete' then observed_at end", 'load_number'
        ) }} as last_success_at
    from task_center.load_runs
    group by region, project_id
),

windows as (
    {% include 'fragments/windows.sql' %}
),

limits as (
    {% include 'fragments/uncovered_times.sql' %}
),

-- The first start of a complete window, and the last end. coverage_gaps needs the same limits, and
-- an engine may compute them once.
complete_coverage as (
    select
        region,
        project_id,
        min(gap_to) as covered_from,
        max(gap_from) as covered_to
    from limits
    where gap_from is not null
    group by region, project_id
    having min(gap_to) < max(gap_from)
),

gaps as (
    select
        region,
        project_id,
        count(*) as gap_count,
        count(*) filter (where is_lost) as lost_gap_count,
        min(gap_from) filter (where not is_lost) as first_open_gap_from
    from main.coverage_gaps
    group by region, project_id
),

task_counts as (
    select
        region,
        project_id,
        count(*) as task_count
    from task_center.tasks
    group by region, project_id
),

-- The rows of running_tasks, without their typical durations: those would read all tasks.
-- Few tasks are open or vanished: each of these reads few rows.
open_counts as (
    select
        region,
        project_id,
        count(*) filter (where not is_lost_from_sight) as open_task_count,
        count(*) filter (where is_lost_from_sight) as lost_task_count
    from main.tasks
    where not is_finished and vanished_at is null
    group by region, project_id
),

vanished_counts as (
    select
        region,
        project_id,
        count(*) as vanished_count
    from main.tasks
    where vanished_at is not null
    group by region, project_id
),

rejected_counts as (
    select
        region,
        project_id,
        count(*) as rejected_count
    from task_center.rejected_records
    group by region, project_id
),

statuses as (
    select
        projects.*,
        coalesce(last_loads.project_name, projects.failed_name) as project_name,
        complete_coverage.covered_from,
        complete_coverage.covered_to,
        coalesce(gaps.first_open_gap_from, complete_coverage.covered_to)
        + {{ milliseconds('last_loads.horizon_ms') }} as loss_begins_at,
        coalesce(gaps.gap_count, 0) as gap_count,
        coalesce(gaps.lost_gap_count, 0) as lost_gap_count,
        coalesce(task_counts.task_count, 0) as task_count,
        coalesce(open_counts.open_task_count, 0) as open_task_count,
        coalesce(open_counts.lost_task_count, 0) as lost_task_count,
        coalesce(vanished_counts.vanished_count, 0) as vanished_count,
        coalesce(rejected_counts.rejected_count, 0) as rejected_count
    from projects
    left join main.last_loads
        on
            projects.region = last_loads.region
            and projects.project_id = last_loads.project_id
    left join complete_coverage
        on
            projects.region = complete_coverage.region
            and projects.project_id = complete_coverage.project_id
    left join gaps
        on
            projects.region = gaps.region
            and projects.project_id = gaps.project_id
    left join task_counts
        on
            projects.region = task_counts.region
            and projects.project_id = task_counts.project_id
    left join open_counts
        on
            projects.region = open_counts.region
            and projects.project_id = open_counts.project_id
    left join vanished_counts
        on
            projects.region = vanished_counts.region
            and projects.project_id = vanished_counts.project_id
    left join rejected_counts
        on
            projects.region = rejected_counts.region
            and projects.project_id = rejected_counts.project_id
),

archive_entries as (
    select
        archive_id,
        archive_sequence,
        head_digest
    from task_center.load_runs
    union all
    select
        archive_id,
        archive_sequence,
        head_digest
    from task_center.archive_acts
),

heads as (
    select
        archive_id,
        {{ last('head_digest', 'archive_sequence') }} as head_digest
    from archive_entries
    group by archive_id
)

select
    statuses.region,
    statuses.project_id,
    statuses.project_name,
    statuses.last_run_at,
    statuses.last_outcome,
    statuses.last_success_at,
    statuses.covered_from,
    statuses.covered_to,
    statuses.gap_count,
    statuses.lost_gap_count,
    statuses.loss_begins_at,
    case
        when statuses.loss_begins_at <= clock.queried_at then 0
        else cast(
            floor({{ seconds_between('clock.queried_at', 'statuses.loss_begins_at') }} / 86400)
            as bigint
        )
    end as nights_left,
    statuses.task_count,
    statuses.open_task_count,
    statuses.lost_task_count,
    statuses.vanished_count,
    statuses.rejected_count,
    heads.head_digest,
    statuses.archive_id
from statuses
cross join clock
left join heads on statuses.archive_id is not distinct from heads.archive_id;

comment on view main.archive_status is
'One row per project: how recent and complete its data are, and when data will be lost.';
comment on column main.archive_status.region is 'Region of the cloud, such as eu-de.';
comment on column main.archive_status.project_id is 'Project that is archived.';
comment on column main.archive_status.project_name is
'Last known name of the project; null if unknown.';
comment on column main.archive_status.last_run_at is
'Clock of the project''s last load, UTC, whatever its outcome.';
comment on column main.archive_status.last_outcome is
'Outcome of that load: complete, incomplete or failed.';
comment on column main.archive_status.last_success_at is
'Clock of the last complete load, UTC; null before the first.';
comment on column main.archive_status.covered_from is 'Start of the covered time, UTC.';
comment on column main.archive_status.covered_to is 'End of the covered time, UTC.';
comment on column main.archive_status.gap_count is
'Time ranges in between that are not covered, lost or not.';
comment on column main.archive_status.lost_gap_count is 'Gaps that have left the API''s horizon.';
comment on column main.archive_status.loss_begins_at is
'When the oldest time not yet covered leaves the API''s horizon, UTC: load before then.';
comment on column main.archive_status.nights_left is
'Full days from now to loss_begins_at; 0 if less than one is left.';
comment on column main.archive_status.task_count is 'Tasks in the archive.';
comment on column main.archive_status.open_task_count is
'Tasks in flight: the rows of running_tasks that are not lost from sight.';
comment on column main.archive_status.lost_task_count is
'Tasks lost from sight: they left the API''s horizon before a load found them finished.';
comment on column main.archive_status.vanished_count is
'Tasks that were deleted from the task center.';
comment on column main.archive_status.rejected_count is
'Records that could not be read as tasks; they are kept as received.';
comment on column main.archive_status.head_digest is
'Digest of the newest entry of the project''s archive; null without an archive.';
comment on column main.archive_status.archive_id is
'The project''s archive: digest of its first entry; null without an archive.';
