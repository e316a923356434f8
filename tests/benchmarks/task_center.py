"""A fast task center on loopback, in a process of its own: what loaders are measured against.

It answers some thousand pages a second from records that are ready as bytes. It has the paging, the
times and the count of the API, and nothing else: `gaussdb_tasks.emulator` has the rest.
"""

import asyncio
import multiprocessing
from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from contextlib import contextmanager
from email.utils import formatdate
from multiprocessing.connection import Connection
from multiprocessing.sharedctypes import Synchronized
from random import Random
from typing import Final
from urllib.parse import parse_qsl, urlsplit

from gaussdb_tasks.model.times import DAY, MINUTE, SECOND, Micros, parse_time, to_datetime

NOW: Final[Micros] = parse_time("2026-05-18T02:00:00Z", option="NOW")
FIRST: Final[Micros] = NOW - 29 * DAY
"""The earliest time that a task was created."""
PROJECT: Final = "0a1b2c3d4e5f60718293a4b5c6d7e8f9"
STATUS: Final = "Completed"
_KINDS: Final = (
    "BackupSnapshotGaussDBV5InInstance",
    "EnlargeGaussDBV5Volume",
    "ResizeGaussDBV5Flavor",
)
_INSTANCES: Final = 100


class TaskCenter:
    """A running task center.

    Attributes:
        endpoint: its address.
    """

    def __init__(self, endpoint: str, calls: "Synchronized[int]") -> None:
        self.endpoint = endpoint
        self._calls = calls

    def calls(self) -> int:
        """Return the number of calls since the last question."""
        with self._calls.get_lock():
            made, self._calls.value = self._calls.value, 0
        return made


@contextmanager
def running_task_center(size: int, latency: float = 0.0) -> Iterator[TaskCenter]:
    """Run a task center with finished tasks of a month.

    Args:
        size: number of tasks.
        latency: seconds by which each answer is delayed, as a network delays it.
    """
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    calls = context.Value("q", 0)
    process = context.Process(target=_serve, args=(size, latency, calls, theirs), daemon=True)
    process.start()
    theirs.close()
    try:
        yield TaskCenter(f"http://127.0.0.1:{ours.recv()}", calls)
    finally:
        process.terminate()
        process.join()


def _serve(size: int, latency: float, calls: "Synchronized[int]", pipe: Connection) -> None:
    pages = Pages(size)

    async def serve() -> None:
        loop = asyncio.get_running_loop()
        server = await loop.create_server(
            lambda: _Connection(pages, latency, calls), "127.0.0.1", 0
        )
        pipe.send(server.sockets[0].getsockname()[1])
        await server.serve_forever()

    asyncio.run(serve())


class Pages:
    """The pages of a list of invented tasks, the newest first."""

    def __init__(self, size: int) -> None:
        random = Random(size)  # noqa: S311 - invented data
        seconds = (NOW - 20 * MINUTE - FIRST) // SECOND
        started = sorted((random.randrange(seconds) for _ in range(size)), reverse=True)
        created = [FIRST + each * SECOND for each in started]
        self._created_ms = [-each // 1_000 for each in created]  # ascending, for bisect
        self._records = [_record(random, each) for each in created]

    def body(self, query: str) -> bytes:
        """Return the page that a query asks for."""
        wanted = dict(parse_qsl(query))
        first, last = 0, len(self._records)
        if "end_time" in wanted:
            first = bisect_left(self._created_ms, -int(wanted["end_time"]))
        if "start_time" in wanted:
            last = bisect_right(self._created_ms, -int(wanted["start_time"]))
        if wanted.get("status", STATUS) != STATUS:
            last = first
        begin = first + int(wanted.get("offset", 0))
        end = min(begin + int(wanted.get("limit", 100)), last)
        count = max(last - first, 0)
        return b'{"tasks":[%s],"total_count":%d}' % (b",".join(self._records[begin:end]), count)


class _Connection(asyncio.Protocol):
    """Answers the requests of one connection, which is kept."""

    def __init__(self, pages: Pages, latency: float, calls: "Synchronized[int]") -> None:
        self._pages = pages
        self._latency = latency
        self._calls = calls
        self._received = b""
        self._date = formatdate(NOW / SECOND, usegmt=True).encode()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._received += data
        while b"\r\n\r\n" in self._received:
            head, _, self._received = self._received.partition(b"\r\n\r\n")
            self._calls.value += 1
            body = self._pages.body(urlsplit(head.split(b" ", 2)[1].decode()).query)
            answer = (
                b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nDate: %s\r\n"
                b"Content-Length: %d\r\n\r\n%s" % (self._date, len(body), body)
            )
            asyncio.get_running_loop().call_later(self._latency, self._transport.write, answer)


def _record(random: Random, created_at: Micros) -> bytes:
    job = f"{random.getrandbits(128):032x}"
    instance = random.randrange(_INSTANCES)
    ended_at = created_at + random.randrange(1, 1200) * SECOND
    return (
        f'{{"instance_info":{{"instance_id":"{instance:032x}in14",'
        f'"instance_name":"orders-{instance}","instance_status":"normal"}},'
        f'"job_id":"{job[:8]}-{job[8:12]}-{job[12:16]}-{job[16:20]}-{job[20:]}",'
        f'"name":"{_KINDS[instance % len(_KINDS)]}","status":"{STATUS}","process":null,'
        f'"fail_reason":null,"created_at":"{_written(created_at)}",'
        f'"ended_at":"{_written(ended_at)}"}}'
    ).encode()


def _written(at: Micros) -> str:
    return f"{to_datetime(at):%Y-%m-%dT%H:%M:%S}+0000"
