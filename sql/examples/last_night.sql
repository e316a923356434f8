-- How many changes did the last load find, and was it successful?
-- theme: What is new
with

changes as (
    select
        region,
        project_id,
        count(*) filter (where is_new) as new_count,
        count(*) filter (where is_changed) as changed_count,
        count(*) filter (where is_ended) as ended_count,
        count(*) filter (where is_failed) as failed_count,
        count(*) filter (where is_vanished) as vanished_count
    from nightly_changes
    group by region, project_id
)

select
    last_loads.project_id,
    last_loads.project_name,
    last_loads.observed_at,
    coalesce(changes.new_count, 0) as new_count,
    coalesce(changes.changed_count, 0) as changed_count,
    coalesce(changes.ended_count, 0) as ended_count,
    coalesce(changes.failed_count, 0) as failed_count,
    coalesce(changes.vanished_count, 0) as vanished_count,
    archive_status.last_run_at,
    archive_status.last_outcome
from last_loads
inner join archive_status
    on
        last_loads.region = archive_status.region
        and last_loads.project_id = archive_status.project_id
left join changes
    on last_loads.region = changes.region and last_loads.project_id = changes.project_id
order by last_loads.region, last_loads.project_id
