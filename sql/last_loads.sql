-- one row per project: its last load that did not fail
-- theme: Completeness
create or replace view main.last_loads as
with

ranked_loads as (
    select
        region,
        project_id,
        project_name,
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
    project_name,
    run_id,
    load_number,
    observed_at,
    outcome,
    horizon_ms,
    observed_at - {{ milliseconds('horizon_ms') }} as horizon_from
from ranked_loads
where recency = 1;

comment on view main.last_loads is
'One row per project: its last load that did not fail, whose clock other views use.';
comment on column main.last_loads.region is 'Region of the cloud, such as eu-de.';
comment on column main.last_loads.project_id is 'Project that was loaded.';
comment on column main.last_loads.project_name is
'Last known name of the project; null if unknown.';
comment on column main.last_loads.run_id is 'Identifier of the load.';
comment on column main.last_loads.load_number is
'Number of the load; gives the order even if a clock was wrong.';
comment on column main.last_loads.observed_at is 'Clock of the load, UTC.';
comment on column main.last_loads.outcome is 'Outcome of the load: complete or incomplete.';
comment on column main.last_loads.horizon_ms is
'How far back the API lists tasks, in milliseconds.';
comment on column main.last_loads.horizon_from is
'The earliest time in the API''s horizon at the load, UTC.';
