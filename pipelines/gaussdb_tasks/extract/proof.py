"""Decide whether a paged read proves that every task of its list was read.

One read proves it if its pages have no gap and hold as many distinct tasks as the API counts. Two
reads prove it if they agree row by row and the API counts their rows. If total_count is not a count
of tasks, the pages alone prove it.
"""

from collections.abc import Sequence

from gaussdb_tasks.extract.paged_read import PagedRead
from gaussdb_tasks.extract.paging import MAX_RECORDS_OF_A_READ
from gaussdb_tasks.extract.traits import ApiTraits


def incomplete_reason(paged_read: PagedRead, traits: ApiTraits) -> str | None:
    """Return why one paged read does not prove that every task was read."""
    _learn_from_counts(paged_read, traits)
    if paged_read.skipped_count:
        return f"{paged_read.skipped_count} records are too large to be read"
    if paged_read.is_cut:
        return f"the list is longer than {MAX_RECORDS_OF_A_READ:,} records, or has no end"
    if not paged_read.reached_end:
        return "the list of pages does not end"
    if not paged_read.is_gapless:
        return "the list changed while it was read"
    return _reason_of_counts(paged_read.total_counts, {len(paged_read.identities)}, traits)


def reason_of_two(first: PagedRead, second: PagedRead, traits: ApiTraits) -> str | None:
    """Return why two readings of a list do not prove that every task was read."""
    reason = incomplete_reason(second, traits)
    if reason is None or not is_same_list(first, second):
        return reason
    read_counts = {len(second.identities), len(second.rows or ())}
    return _reason_of_counts(first.total_counts + second.total_counts, read_counts, traits)


def _reason_of_counts(
    total_counts: Sequence[int | None], read_counts: set[int], traits: ApiTraits
) -> str | None:
    """Return why the counts of a list that was read without a gap do not agree with it.

    Args:
        total_counts: the count of each page.
        read_counts: the number of tasks that were read, and of rows if some are repeated.
        traits: tells whether total_count counts tasks.
    """
    if traits.is_count_usable_in_load is False:
        return None
    counts = set(total_counts)
    if len(counts) == 1 and counts <= read_counts:
        return None
    read_count = min(read_counts)
    if max(read_counts) > max(count or 0 for count in counts):
        # A list without a gap proves itself; a smaller total_count is not a count.
        traits.is_count_too_low = True
        traits.is_count_usable_in_load = False
        return None
    return f"{read_count} tasks were read, but the API counts {_joined(counts)}"


def _learn_from_counts(paged_read: PagedRead, traits: ApiTraits) -> None:
    if paged_read.counts_are_page_lengths or None in paged_read.total_counts:
        traits.is_count_usable_in_load = False
    elif traits.is_count_usable_in_load is None:
        is_shown = traits.is_count_seen or not paged_read.is_one_response
        traits.is_count_usable_in_load = is_shown or None


def is_partial(paged_read: PagedRead) -> bool:
    """Check whether reading again would not show more."""
    return paged_read.is_cut or bool(paged_read.skipped_count)


def is_same_list(first: PagedRead, second: PagedRead) -> bool:
    """Check whether a list was the same twice, row by row, to its end."""
    if is_partial(first) or is_partial(second):
        return False
    return first.reached_end and second.reached_end and first.rows == second.rows is not None


def _joined(counts: set[int | None]) -> str:
    return " or ".join(str(count) for count in sorted(count or 0 for count in counts))
