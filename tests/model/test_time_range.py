"""Time ranges, compared with plain sets of times."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from gaussdb_tasks.model.time_range import TimeRange, merge, subtract

time_ranges = st.builds(TimeRange, st.integers(0, 30), st.integers(0, 30))


def times(*parts: TimeRange) -> set[int]:
    """List every time in some time ranges."""
    return {at for start, end in parts for at in range(start, end)}


@given(parts=st.lists(time_ranges, max_size=8))
def test_merge_unites(parts: list[TimeRange]) -> None:
    """Merging keeps exactly the same times, and leaves nothing to merge."""
    merged = merge(parts)
    assert times(*merged) == times(*parts)
    assert all(before.end < after.start for before, after in pairwise(merged))


@given(whole=time_ranges, parts=st.lists(time_ranges, max_size=8))
def test_subtract_leaves_the_rest(whole: TimeRange, parts: list[TimeRange]) -> None:
    """Subtracting leaves exactly the times that are in no part."""
    left = subtract(whole, parts)
    assert times(*left) == times(whole) - times(*parts)
    assert list(left) == sorted(left)
    assert not any(time_range.is_empty for time_range in left)


@given(time_range=time_ranges, to=st.builds(TimeRange, st.integers(0, 15), st.integers(15, 30)))
def test_clip_keeps_what_lies_inside(time_range: TimeRange, to: TimeRange) -> None:
    """Clipping keeps exactly the common times, and stays inside."""
    clipped = time_range.clip(to)
    assert times(clipped) == times(time_range) & times(to)
    assert to.start <= clipped.start <= clipped.end <= to.end
