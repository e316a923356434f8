-- What did the last load bring, in figures?
select
    observed_at,
    project_id,
    count(*) filter (where is_new) as new_count,
    count(*) filter (where is_changed) as changed_count,
    count(*) filter (where is_ended) as ended_count,
    count(*) filter (where is_failed) as failed_count,
    count(*) filter (where is_vanished) as vanished_count
from nightly_changes
group by observed_at, region, project_id
order by region, project_id
