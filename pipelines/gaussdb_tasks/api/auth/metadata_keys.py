"""Get temporary keys from the metadata service of the machine, so that no key lies on its disk.

Source: ECS user guide, "Metadata": ``/openstack/latest/securitykey`` returns the keys of the agency
that the machine has. They are valid for some hours.
"""

import threading
from datetime import datetime
from typing import Any, Final

import requests

from gaussdb_tasks.api import error_responses
from gaussdb_tasks.api.auth import endpoints
from gaussdb_tasks.api.auth.credentials import KeyPair
from gaussdb_tasks.api.deadline import Deadline, bounded_session, ends_by, retrying
from gaussdb_tasks.errors import ConfigurationError, ServiceError
from gaussdb_tasks.model import times
from gaussdb_tasks.model.times import MINUTE, Micros, from_datetime

_PATH: Final = "/openstack/latest/securitykey"
_TIMEOUT_SECONDS: Final = 10
_MIN_VALIDITY: Final[Micros] = 5 * MINUTE
"""Keys that expire earlier are replaced; the service provides new ones before the old expire."""


class MetadataKeys:
    """The ``KeySource`` of a machine that has an agency; all threads share it."""

    def __init__(self, url: str) -> None:
        """Check the address, which is http on a link-local address such as 169.254.169.254.

        Raises:
            ConfigurationError: keys must not be read from it.
        """
        parts = endpoints.checked_url(
            url,
            source="OS_METADATA_URL",
            allows_link_local=True,
            example="http://169.254.169.254",
        )
        self._url = f"{parts.scheme}://{parts.netloc}{parts.path.rstrip('/')}"
        self._lock = threading.Lock()
        self._keys: KeyPair | None = None
        self._expires_at: Micros | None = None

    @property
    def account(self) -> str:
        """The address: its keys change, their owner does not."""
        return self._url

    def current(self) -> KeyPair:
        """Return keys that do not expire in the next minutes.

        Raises:
            ConfigurationError: the machine has no agency.
            ServiceError: the metadata service does not answer.
        """
        with self._lock:
            is_expiring = (
                self._expires_at is not None and self._expires_at - times.now() < _MIN_VALIDITY
            )
            if self._keys is None or is_expiring:
                self._keys, self._expires_at = self._fetch()
            return self._keys

    def renew(self, refused: KeyPair) -> bool:
        """Fetch the keys again, unless another thread has done so; return whether they differ."""
        with self._lock:
            if self._keys == refused:
                self._keys, self._expires_at = self._fetch()
            return self._keys != refused

    def _fetch(self) -> tuple[KeyPair, Micros | None]:
        attempts = retrying(lambda error: isinstance(error, ServiceError))
        return attempts(self._fetch_once)

    def _fetch_once(self) -> tuple[KeyPair, Micros | None]:
        try:
            with bounded_session() as http, ends_by(Deadline(_TIMEOUT_SECONDS)):
                http.trust_env = False  # the service is on this machine's own network
                response = http.get(
                    self._url + _PATH, timeout=_TIMEOUT_SECONDS, allow_redirects=False
                )
        except requests.RequestException as error:
            message = (
                f"the metadata service {self._url} does not answer "
                f"({error_responses.describe_cause(error)}); it exists on machines of the cloud "
                "only; check OS_METADATA_URL"
            )
            raise ServiceError(message) from error
        return _read_keys(response, self._url)


def _read_keys(response: requests.Response, url: str) -> tuple[KeyPair, Micros | None]:
    if error_responses.is_transient_status(response.status_code):
        message = f"the metadata service {url} fails (status {response.status_code}); run it again"
        raise ServiceError(message)
    try:
        credential: Any = response.json()["credential"]
        keys = KeyPair(credential["access"], credential["secret"], credential["securitytoken"])
        expires_at = credential.get("expires_at")
        return keys, None if not expires_at else from_datetime(datetime.fromisoformat(expires_at))
    except (ValueError, KeyError, TypeError) as error:
        # Without the body: it may hold a key.
        message = (
            f"the metadata service {url} returns no keys (status {response.status_code}); "
            "create an agency for ECS and set it in the settings of this machine, or correct "
            "OS_METADATA_URL"
        )
        raise ConfigurationError(message) from error
