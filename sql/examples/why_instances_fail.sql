-- Which instances fail most, for which reason mostly, and since when?
-- theme: What failed
with

reasons as (
    select
        region,
        project_id,
        instance_id,
        reason_pattern,
        count(*) as reason_count,
        min(created_at) as first_failed_at,
        max(created_at) as last_failed_at
    from failed_tasks
    where instance_id is not null
    group by region, project_id, instance_id, reason_pattern
),

main_reasons as (
    select
        *,
        row_number() over (
            partition by region, project_id, instance_id
            order by reason_count desc, last_failed_at desc, reason_pattern
        ) as place
    from reasons
)

select
    rates.instance_name,
    rates.failed_count,
    rates.finished_count,
    round(rates.failure_rate, 3) as failure_rate,
    main_reasons.reason_pattern,
    main_reasons.reason_count,
    main_reasons.first_failed_at,
    main_reasons.last_failed_at,
    rates.instance_id
from failure_rates_by_instance as rates
inner join main_reasons
    on
        rates.region = main_reasons.region
        and rates.project_id = main_reasons.project_id
        and rates.instance_id = main_reasons.instance_id
where main_reasons.place = 1
order by rates.failed_count desc, rates.failure_rate desc, rates.instance_id
limit 10
