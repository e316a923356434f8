"""Read several projects at once: items in the order of their arrival, in order per project."""

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import CancelledError, ThreadPoolExecutor, wait
from queue import Empty, Full, Queue
from typing import Final, Generic, TypeVar

_T = TypeVar("_T")

_POLL_SECONDS: Final = 0.2
# Enough waiting batches to keep all workers busy, few enough to fit into memory.
_MAX_WAITING_PER_WORKER: Final = 2


def read_together(readers: Sequence[Callable[[], Iterator[_T]]], workers: int) -> Iterator[_T]:
    """Yield the items of all readers; at most ``workers`` of them run at the same time.

    With one worker they run one after another, in this thread.

    Raises:
        Exception: the error of a reader; the others are stopped.
    """
    if min(workers, len(readers)) <= 1:
        for read in readers:
            yield from read()
        return
    yield from _ParallelReaders[_T](workers).read(readers)


class _ParallelReaders(Generic[_T]):
    def __init__(self, workers: int) -> None:
        self._workers = workers
        self._waiting: Queue[_T] = Queue(workers * _MAX_WAITING_PER_WORKER)
        self._is_over = threading.Event()

    def read(self, readers: Sequence[Callable[[], Iterator[_T]]]) -> Iterator[_T]:
        executor = ThreadPoolExecutor(self._workers, thread_name_prefix="project")
        try:
            running = {executor.submit(self._forward, read) for read in readers}
            while running:
                yield from self._take()
                done, running = wait(running, timeout=0)
                for future in done:
                    future.result()
            yield from self._take_waiting()
        finally:
            self._is_over.set()
            executor.shutdown(wait=False, cancel_futures=True)

    def _forward(self, read: Callable[[], Iterator[_T]]) -> None:
        for item in read():
            while not self._is_over.is_set():
                try:
                    self._waiting.put(item, timeout=_POLL_SECONDS)
                    break
                except Full:
                    continue
            if self._is_over.is_set():
                raise CancelledError

    def _take(self) -> Iterator[_T]:
        try:
            yield self._waiting.get(timeout=_POLL_SECONDS)
        except Empty:
            return
        yield from self._take_waiting()

    def _take_waiting(self) -> Iterator[_T]:
        while True:
            try:
                yield self._waiting.get_nowait()
            except Empty:
                return
