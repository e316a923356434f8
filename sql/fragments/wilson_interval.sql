-- one row per row of counts: all its columns, the failure rate and its 95 % Wilson score interval
with

-- z: 95 % of a normal distribution are within z standard deviations of the mean.
weighted_counts as (
    select
        *,
        power(cast(1.959963984540054 as {{ double }}), 2) as z_squared
    from counts
),

intervals as (
    select
        *,
        cast(failed_count as {{ double }}) / finished_count as failure_rate,
        (failed_count + z_squared / 2) / (finished_count + z_squared) as centre,
        sqrt(
            z_squared * failed_count * (finished_count - failed_count) / finished_count
            + z_squared * z_squared / 4
        ) / (finished_count + z_squared) as half_width
    from weighted_counts
)

-- Rounding must not place a rate outside its interval.
select
    *, -- noqa: AM04
    greatest(0.0, least(centre - half_width, failure_rate)) as failure_rate_low,
    least(1.0, greatest(centre + half_width, failure_rate)) as failure_rate_high
from intervals
