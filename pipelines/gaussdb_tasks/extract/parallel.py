"""Reading several projects at once: what they bring comes as it comes, from each in its order."""

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import CancelledError, ThreadPoolExecutor, wait
from queue import Empty, Full, Queue
from typing import Final, Generic, TypeVar

_T = TypeVar("_T")

_LOOK_EVERY_SECONDS: Final = 0.2
# Batches that wait to be taken: enough to keep everybody busy, few enough to fit into memory.
_WAITING_PER_WORKER: Final = 2


def read_together(readers: Sequence[Callable[[], Iterator[_T]]], workers: int) -> Iterator[_T]:
    """Yield what all readers yield, with so many of them at work at once.

    One worker reads them one after another, in this thread.

    Raises:
        Exception: what a reader raised; the others are stopped.
    """
    if min(workers, len(readers)) <= 1:
        for read in readers:
            yield from read()
        return
    yield from _Together[_T](workers).read(readers)


class _Together(Generic[_T]):
    def __init__(self, workers: int) -> None:
        self._workers = workers
        self._waiting: Queue[_T] = Queue(workers * _WAITING_PER_WORKER)
        self._is_over = threading.Event()

    def read(self, readers: Sequence[Callable[[], Iterator[_T]]]) -> Iterator[_T]:
        executor = ThreadPoolExecutor(self._workers, thread_name_prefix="project")
        try:
            running = {executor.submit(self._drain, read) for read in readers}
            while running:
                yield from self._arrived()
                done, running = wait(running, timeout=0)
                for future in done:
                    future.result()
            yield from self._arrived_already()
        finally:
            self._is_over.set()
            executor.shutdown(wait=False, cancel_futures=True)

    def _drain(self, read: Callable[[], Iterator[_T]]) -> None:
        for item in read():
            while not self._is_over.is_set():
                try:
                    self._waiting.put(item, timeout=_LOOK_EVERY_SECONDS)
                    break
                except Full:
                    continue
            if self._is_over.is_set():
                raise CancelledError

    def _arrived(self) -> Iterator[_T]:
        try:
            yield self._waiting.get(timeout=_LOOK_EVERY_SECONDS)
        except Empty:
            return
        yield from self._arrived_already()

    def _arrived_already(self) -> Iterator[_T]:
        while True:
            try:
                yield self._waiting.get_nowait()
            except Empty:
                return
