"""Assume an agency: get a token of another account that delegated rights to this account.

Source: IAM's API reference, "Obtaining an Agency Token". It is the method ``assume_role`` of
Keystone v3, called with the token of the delegated user, or signed with the user's access key.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from keystoneauth1.identity import v3
from keystoneauth1.plugin import BaseAuthPlugin
from keystoneauth1.session import Session
from requests.auth import AuthBase


@dataclass(frozen=True, slots=True)
class Agency:
    """An agency, the domain that created it, and optionally a project of that domain."""

    name: str
    domain_name: str
    project_name: str | None


class _AssumeRole(v3.AuthMethod):
    def __init__(self, agency: Agency, source: BaseAuthPlugin | Callable[[], AuthBase]) -> None:
        self._agency = agency
        self._source = source

    def get_auth_data(
        self,
        session: Session,
        auth: v3.Auth,  # noqa: ARG002 - signature of keystoneauth1
        headers: dict[str, str],
        request_kwargs: dict[str, object],
    ) -> tuple[str, Mapping[str, object]]:
        if isinstance(self._source, BaseAuthPlugin):
            headers["X-Auth-Token"] = self._source.get_token(session) or ""
        else:
            request_kwargs["requests_auth"] = self._source()
        return "assume_role", {
            "domain_name": self._agency.domain_name,
            "xrole_name": self._agency.name,
        }


class AgencyPlugin(v3.Auth):
    """Gets tokens of an agency, scoped to a project of its domain or to the domain.

    Its source proves who the user is: a plugin with a token, or a signature by an access key.
    """

    def __init__(
        self,
        auth_url: str,
        agency: Agency,
        *,
        source: BaseAuthPlugin | Callable[[], AuthBase],
        project_id: str | None,
    ) -> None:
        by_name = project_id is None and agency.project_name is not None
        super().__init__(
            auth_url,
            [_AssumeRole(agency, source)],
            project_id=project_id,
            project_name=agency.project_name if by_name else None,
            project_domain_name=agency.domain_name if by_name else None,
            domain_name=None if project_id or by_name else agency.domain_name,
        )
        self._source = source

    def invalidate(self) -> bool:
        """Drop the token of the agency and that of the user, which may have expired too."""
        if isinstance(self._source, BaseAuthPlugin):
            self._source.invalidate()
        return super().invalidate()
