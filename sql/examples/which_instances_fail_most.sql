-- On which instances do most tasks fail?
-- theme: What failed
select
    instance_name,
    finished_count,
    failed_count,
    round(failure_rate, 3) as failure_rate,
    round(failure_rate_low, 3) as low,
    round(failure_rate_high, 3) as high,
    instance_id
from failure_rates_by_instance
where failed_count > 0
order by failed_count desc, failure_rate desc, instance_id
limit 10
