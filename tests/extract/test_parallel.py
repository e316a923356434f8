"""Several projects at once: all items arrive, in order per project, and errors are raised."""

import threading
from collections.abc import Callable, Iterator
from functools import partial

import pytest

from gaussdb_tasks.extract.parallel import read_together


def reader(name: int, count: int) -> Iterator[tuple[int, int]]:
    """Yield numbered items."""
    yield from ((name, number) for number in range(count))


@pytest.mark.parametrize("workers", [1, 2, 8])
def test_everything_arrives_each_in_its_order(workers: int) -> None:
    """Far more items than may wait, from more readers than workers."""
    readers = [partial(reader, name, 50 + name) for name in range(20)]
    found = list(read_together(readers, workers))
    assert len(found) == sum(50 + name for name in range(20))
    for name in range(20):
        assert [number for reader_name, number in found if reader_name == name] == list(
            range(50 + name)
        )


def test_readers_run_at_the_same_time() -> None:
    """Four readers that wait for each other can end only if all four run at once."""
    barrier = threading.Barrier(4, timeout=300)

    def read() -> Iterator[int]:
        barrier.wait()
        yield 1

    assert list(read_together([read] * 4, 4)) == [1] * 4


def test_no_more_readers_than_allowed_run_at_once() -> None:
    """With two workers, never three readers run at once."""
    running, most, lock = [0], [0], threading.Lock()

    def read() -> Iterator[int]:
        with lock:
            running[0] += 1
            most[0] = max(most[0], running[0])
        yield 1
        with lock:
            running[0] -= 1

    assert len(list(read_together([read] * 12, 2))) == 12
    assert most[0] <= 2


def test_an_error_is_raised_and_the_others_end() -> None:
    """Readers without an end are stopped."""
    ended = threading.Event()

    def endless() -> Iterator[int]:
        try:
            while True:
                yield 1
        finally:
            ended.set()

    def broken() -> Iterator[int]:
        yield 0
        message = "the disk is full"
        raise OSError(message)

    readers: list[Callable[[], Iterator[int]]] = [endless, broken]
    with pytest.raises(OSError, match="the disk is full"):
        for _ in read_together(readers, 2):
            pass
    assert ended.wait(30)


def test_closing_the_iterator_stops_the_readers() -> None:
    """A load that fails while it reads leaves no thread running."""
    ended = threading.Event()

    def endless() -> Iterator[int]:
        try:
            while True:
                yield 1
        finally:
            ended.set()

    together = read_together([endless, endless], 2)
    assert next(together) == 1
    del together
    assert ended.wait(30)
