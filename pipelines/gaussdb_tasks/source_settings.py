"""Settings of the dlt sources, and the sign-in that they describe.

dlt fills what is not passed as an argument from ``.dlt/config.toml``, ``.dlt/secrets.toml`` and
variables, each below ``[sources.task_center]``.
"""

import json
import logging
import os
import re
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, ClassVar, Final

import dlt
from dlt.common.configuration import configspec
from dlt.common.configuration.specs import BaseConfiguration

from gaussdb_tasks.api.auth.access import ProjectAccess
from gaussdb_tasks.api.auth.sign_in import sign_in, token_access
from gaussdb_tasks.errors import ConfigurationError
from gaussdb_tasks.settings import AccessRequest

SOURCE_NAME: Final = "task_center"
CONNECTIONS: Final = 8
_OPTION: Final = re.compile(r"--(os-cloud|project-id|endpoint|region)\b")
_LOG: Final = logging.getLogger(__name__)


@configspec
class AccessSettings(BaseConfiguration):
    """The projects to read, and the sign-in."""

    # Without a section, dlt would also take bare variables such as REGION, NAME and TOKEN.
    __section__: ClassVar[str] = SOURCE_NAME

    project_id: Any | None = None
    """A text or a list. dlt would convert a list to a text if this were a union of both."""
    endpoint: str | None = None
    region: str | None = None
    token: dlt.TSecretStrValue | None = None
    os_cloud: Any | None = None
    """A text or a list, as ``project_id``."""


@configspec
class HistorySettings(AccessSettings):
    """Settings of ``task_center``."""

    full: bool = False


@configspec
class PartSettings(AccessSettings):
    """Settings of ``task_center_part``."""

    status: str | None = None
    name: str | None = None


@dataclass(frozen=True, slots=True)
class SignIn:
    """The projects to read, and a ready token if the settings have one."""

    request: AccessRequest
    token: str | None = field(repr=False)

    @classmethod
    def with_settings(
        cls,
        project_id: object,
        os_cloud: object,
        endpoint: str | None,
        region: str | None,
        token: str | None,
    ) -> "SignIn":
        """Make a sign-in from the settings of a source; ``None`` and empty values are not set.

        Wrong settings are refused here, before the pipeline runs.

        Raises:
            ConfigurationError: a value has the wrong type, or a token has no project or no address.
        """
        _refuse_other_than_texts(endpoint=endpoint, region=region, token=token)
        request = AccessRequest(
            os_clouds=_texts(os_cloud, "os_cloud"),
            project_ids=_texts(project_id, "project_id"),
            endpoint=endpoint or None,
            region=region or None,
            connections=CONNECTIONS,
        )
        if token and request.os_clouds:
            message = "token and os_cloud are both set; set one of them"
            raise ConfigurationError(message)
        if token and not (request.project_ids and (request.endpoint or request.region)):
            message = (
                "token is set, but not what it is for; set project_id, and region or endpoint too"
            )
            raise ConfigurationError(message)
        return cls(request, token or None)

    def accesses(self) -> tuple[ProjectAccess, ...]:
        """Sign in to each project. Log each cloud that fails if another one does not.

        Raises:
            ConfigurationError: credentials are missing, or an address is wrong.
            AccessError: IAM refuses.
            ServiceError: IAM cannot be reached or fails.
        """
        try:
            return self._accesses()
        except ConfigurationError as error:
            # A pipeline has no options: their names are those of the settings.
            message = _OPTION.sub(lambda found: found[1].replace("-", "_"), str(error))
            raise ConfigurationError(message) from error

    def _accesses(self) -> tuple[ProjectAccess, ...]:
        if self.token:
            return tuple(self._with_token(id_, self.token) for id_ in self.request.project_ids)
        signed_in = sign_in(self.request, os.environ)
        for failure in signed_in.failures:
            _LOG.warning("%s could not be signed in to: %s", failure.name, failure.error)
        return signed_in.accesses

    def _with_token(self, project_id: str, token: str) -> ProjectAccess:
        return token_access(
            endpoint=self.request.endpoint,
            project_id=project_id,
            token=token,
            region=self.request.region,
            connections=self.request.connections,
        )


def refuse_unusable_clock(now: object) -> None:
    """Refuse a clock that is not a time with a timezone, before the pipeline runs.

    Raises:
        ConfigurationError: it is something else.
    """
    if now is not None and (not isinstance(now, datetime) or now.utcoffset() is None):
        message = f"now is {now!r}; give a datetime with a timezone, such as UTC"
        raise ConfigurationError(message)


def _refuse_other_than_texts(**settings: object) -> None:
    for name, value in settings.items():
        if not isinstance(value, (str, type(None))):
            message = f"{name} is not a text, but of the type {type(value).__name__}; write a text"
            raise ConfigurationError(message)


def _texts(value: object, setting: str) -> tuple[str, ...]:
    """Return the texts of a setting: of a list, of JSON as in a variable, or the only one.

    Raises:
        ConfigurationError: it is something else.
    """
    found = value
    if isinstance(found, str):
        try:
            found = json.loads(found) if found.lstrip().startswith("[") else [found]
        except ValueError:
            found = None
    values = () if value is None else found
    if isinstance(values, (list, tuple)) and all(isinstance(each, str) for each in values):
        return tuple(dict.fromkeys(each.strip() for each in values if each.strip()))
    message = f"{setting} is {value!r}; write a text or a list of texts"
    raise ConfigurationError(message)
