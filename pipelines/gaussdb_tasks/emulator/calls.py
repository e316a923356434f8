"""The calls to the tasks API that an emulator has seen, for tests to look at."""

import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from gaussdb_tasks.contract import TOKEN_HEADER
from gaussdb_tasks.emulator.messages import Request


@dataclass(frozen=True, slots=True)
class Call:
    """A call to the tasks API and the status it was answered with, None for a dropped one."""

    number: int
    method: str
    path: str
    params: Mapping[str, str]
    headers: Mapping[str, str]
    status: int | None

    @property
    def project_id(self) -> str:
        """The project in the path."""
        return self.path.split("/")[2]

    @property
    def token(self) -> str | None:
        """The token that came along."""
        return self.headers.get(TOKEN_HEADER.lower())


class CallLog:
    """Calls in the order in which they were answered; numbered from 1 as they arrive.

    A call is on record before its answer leaves. Iterating sees the calls up to now.
    """

    def __init__(self) -> None:
        self._calls: list[Call] = []
        self._arrived = 0
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._calls)

    def __getitem__(self, index: int) -> Call:
        return self._calls[index]

    def __iter__(self) -> Iterator[Call]:
        return iter(self._calls.copy())

    def number_next(self) -> int:
        """Give an arriving call its number."""
        with self._lock:
            self._arrived += 1
            return self._arrived

    def record(self, number: int, request: Request, status: int | None) -> None:
        """Put an answered call on record."""
        call = Call(
            number,
            request.method,
            request.path,
            dict(request.query),
            dict(request.headers),
            status,
        )
        with self._lock:
            self._calls.append(call)

    def count(self, *, status: int | None = None, project_id: str | None = None) -> int:
        """Count the calls with this status and to this project; what is None does not matter."""
        return sum(
            status in (None, call.status) and project_id in (None, call.project_id) for call in self
        )

    def clear(self) -> None:
        """Forget all calls and begin anew at number 1."""
        with self._lock:
            self._calls.clear()
            self._arrived = 0
