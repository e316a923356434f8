"""Stretches of time, held against plain sets of instants."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from gaussdb_tasks.stretches import Stretch, merge, subtract

stretches = st.builds(Stretch, st.integers(0, 30), st.integers(0, 30))


def instants(*parts: Stretch) -> set[int]:
    """List every instant of some stretches."""
    return {at for start, end in parts for at in range(start, end)}


@given(parts=st.lists(stretches, max_size=8))
def test_merge_unites(parts: list[Stretch]) -> None:
    """Merging keeps exactly the instants, and leaves nothing to merge."""
    merged = merge(parts)
    assert instants(*merged) == instants(*parts)
    assert all(before.end < after.start for before, after in pairwise(merged))


@given(whole=stretches, parts=st.lists(stretches, max_size=8))
def test_subtract_leaves_the_rest(whole: Stretch, parts: list[Stretch]) -> None:
    """Subtracting leaves exactly the instants that no part has."""
    left = subtract(whole, parts)
    assert instants(*left) == instants(whole) - instants(*parts)
    assert list(left) == sorted(left)
    assert not any(stretch.is_empty for stretch in left)


@given(stretch=stretches, to=st.builds(Stretch, st.integers(0, 15), st.integers(15, 30)))
def test_clip_keeps_what_lies_inside(stretch: Stretch, to: Stretch) -> None:
    """Clipping keeps exactly the common instants, and never leaves the frame."""
    clipped = stretch.clip(to)
    assert instants(clipped) == instants(stretch) & instants(to)
    assert to.start <= clipped.start <= clipped.end <= to.end
