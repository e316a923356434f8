"""A client and invented records for tests that use the emulator over HTTP."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

import requests

from gaussdb_tasks.contract import STATUS_COMPLETED, STATUS_RUNNING
from gaussdb_tasks.emulator import Emulator
from gaussdb_tasks.model import times
from gaussdb_tasks.model.times import HOUR, MINUTE, Micros

NOW: Final[Micros] = times.parse_time("2026-03-18T12:00:00Z", option="NOW")
"""A Wednesday."""
PROJECT: Final = "0a1b2c3d4e5f60718293a4b5c6d7e8f9"
OTHER_PROJECT: Final = "ffffffffffff4000800000000000000f"

Record = dict[str, object]


def record(
    number: int,
    created_at: Micros = NOW - HOUR,
    ended_at: Micros | None = NOW - 30 * MINUTE,
    **fields: object,
) -> Record:
    """Make an API record; without an end it is running. The number determines the job_id."""
    return {
        "instance_info": {
            "instance_id": f"{number:032x}in14",
            "instance_name": "orders-prod",
            "instance_status": "normal",
        },
        "job_id": job_id(number),
        "name": "CreateGaussDBV5Instance",
        "status": STATUS_RUNNING if ended_at is None else STATUS_COMPLETED,
        "process": None,
        "fail_reason": None,
        "created_at": written(created_at),
        "ended_at": None if ended_at is None else written(ended_at),
        **fields,
    }


def job_id(number: int) -> str:
    """Return the job_id of the record with this number."""
    return f"00000000-0000-4000-8000-{number:012d}"


def written(time: Micros) -> str:
    """Format a time as the API does, in UTC."""
    return times.to_datetime(time).strftime("%Y-%m-%dT%H:%M:%S+0000")


def millis(time: Micros) -> str:
    """Format a time as a parameter of the API: milliseconds since 1970."""
    return str(time // 1_000)


@dataclass(frozen=True)
class Client:
    """Calls one emulator, with the emulator's own token by default."""

    emulator: Emulator
    session: requests.Session

    def get(self, project_id: str = "", **params: str) -> requests.Response:
        """Call the tasks API; the default is the first project."""
        return self.get_with({"X-Auth-Token": self.emulator.token}, project_id, **params)

    def get_with(
        self, headers: Mapping[str, str], project_id: str = "", **params: str
    ) -> requests.Response:
        """Call the tasks API with these headers."""
        project_id = project_id or self.emulator.project_ids[0]
        return self.session.get(
            f"{self.emulator.endpoint}/v3/{project_id}/tasks",
            params=params,
            headers=dict(headers),
            allow_redirects=False,
            timeout=120,
        )

    def page(self, project_id: str = "", **params: str) -> tuple[list[Record], object]:
        """Return the records of a page, and its total_count."""
        response = self.get(project_id, **params)
        assert response.status_code == 200, response.text
        document = response.json()
        return document["tasks"], document.get("total_count")

    def job_ids(self, project_id: str = "", **params: str) -> list[str]:
        """Return the job_ids of a page."""
        return [str(task["job_id"]) for task in self.page(project_id, **params)[0]]

    def error(self, project_id: str = "", **params: str) -> tuple[int, str]:
        """Return status and error code of a call that must fail."""
        response = self.get(project_id, **params)
        return response.status_code, response.json()["error_code"]


@contextmanager
def client_of(emulator: Emulator) -> Iterator[Client]:
    """Start an emulator and yield a client of it."""
    with emulator, requests.Session() as session:
        session.trust_env = False
        yield Client(emulator, session)
