"""Times that a user, a file or this program wrote."""

from datetime import datetime

import pendulum
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gaussdb_tasks.errors import ConfigurationError
from gaussdb_tasks.model.times import from_datetime, parse_time

numbers = st.integers(0, 99).map("{:02d}".format)
dates = st.builds("{:04d}-{}-{}".format, st.integers(0, 9999), numbers, numbers)
fractions = st.sampled_from(["", ".5", ".123", ".123456", ".1234567", "."])
clocks = st.builds("T{}:{}:{}{}Z".format, numbers, numbers, numbers, fractions)


@given(text=st.builds(str.__add__, dates, st.just("") | clocks))
@example("2026-01-01T24:00:00Z")
@example("2026-02-30")
@example("2026-12-31T23:59:60Z")
@example("0000-01-01")
@example("٢٠٢٦-01-01")
@example("2026-01-31T02:00:00.123456Z")
def test_a_time_in_the_usual_form_is_read_as_pendulum_reads_it(text: str) -> None:
    """pendulum is not imported for this form, since that takes longer than most commands."""
    try:
        expected = pendulum.parse(text)
    except (ValueError, OverflowError):
        expected = None
    if isinstance(expected, datetime):
        assert parse_time(text, option="--now") == from_datetime(expected)
    else:
        with pytest.raises(ConfigurationError, match="--now"):
            parse_time(text, option="--now")
