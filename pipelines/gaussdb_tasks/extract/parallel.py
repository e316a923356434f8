"""Read projects in threads: items in the order of their arrival, in order per project."""

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from queue import Full, Queue
from typing import Final, Generic, NamedTuple, TypeVar

_T = TypeVar("_T")

_POLL_SECONDS: Final = 0.2


class _End(NamedTuple):
    """The end of a reader, and the error that ended it, if any."""

    error: BaseException | None


def read_together(readers: Sequence[Callable[[], Iterator[_T]]], workers: int) -> Iterator[_T]:
    """Yield the items of all readers; at most ``workers`` of them run at the same time.

    They go on reading while the caller works on an item.

    Raises:
        Exception: the error of a reader; the others are stopped.
    """
    yield from _Readers[_T](min(workers, len(readers) or 1)).read(readers)


class _Readers(Generic[_T]):
    def __init__(self, workers: int) -> None:
        self._executor = ThreadPoolExecutor(workers, thread_name_prefix="project")
        # One item a worker: enough to keep all busy, few enough to fit into memory.
        self._waiting: Queue[_T | _End] = Queue(workers)
        self._is_over = threading.Event()

    def read(self, readers: Sequence[Callable[[], Iterator[_T]]]) -> Iterator[_T]:
        try:
            for read in readers:
                self._executor.submit(self._forward, read)
            running = len(readers)
            while running:
                item = self._waiting.get()
                if not isinstance(item, _End):
                    yield item
                elif item.error is None:
                    running -= 1
                else:
                    raise item.error
        finally:
            self._is_over.set()
            self._executor.shutdown(wait=False, cancel_futures=True)

    def _forward(self, read: Callable[[], Iterator[_T]]) -> None:
        error: BaseException | None = None
        try:
            for item in read():
                self._put(item)
                if self._is_over.is_set():
                    return
        except BaseException as raised:  # noqa: BLE001 - it is raised again by the caller
            error = raised
        self._put(_End(error))

    def _put(self, item: _T | _End) -> None:
        while not self._is_over.is_set():
            try:
                self._waiting.put(item, timeout=_POLL_SECONDS)
            except Full:
                continue
            return
