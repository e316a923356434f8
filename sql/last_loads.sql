-- one row per project, its last load that did not fail
create or replace view main.last_loads as
with

ranked_loads as (
    select
        region,
        project_id,
        run_id,
        observed_at,
        outcome,
        horizon_ms,
        load_number,
        row_number() over (
            partition by region, project_id
            order by load_number desc
        ) as recency
    from task_center.load_runs
    where outcome <> 'failed'
)

select
    region,
    project_id,
    run_id,
    load_number,
    observed_at,
    outcome,
    horizon_ms,
    observed_at - to_milliseconds(horizon_ms) as horizon_from
from ranked_loads
where recency = 1;

comment on view main.last_loads is
'One row per project: its last load that did not fail, the clock that other views measure by.';
comment on column main.last_loads.region is 'Region of the cloud, such as eu-de.';
comment on column main.last_loads.project_id is 'Project that was loaded.';
comment on column main.last_loads.run_id is 'The load.';
comment on column main.last_loads.load_number is
'Place of the load among all loads; tells their order whatever their clocks said.';
comment on column main.last_loads.observed_at is 'Clock of the load, UTC.';
comment on column main.last_loads.outcome is 'What came of it: complete or incomplete.';
comment on column main.last_loads.horizon_ms is
'How far back the API was taken to remember, in milliseconds.';
comment on column main.last_loads.horizon_from is
'The earliest time that the API still remembered at the load, UTC.';
