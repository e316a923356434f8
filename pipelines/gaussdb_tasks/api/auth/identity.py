"""Provide the credentials of calls, and renew them when they are refused."""

import threading
from collections.abc import Callable
from http import HTTPStatus
from typing import Any, Final, Protocol, TypeVar

from keystoneauth1 import exceptions as keystone
from keystoneauth1.identity.base import BaseIdentityPlugin
from keystoneauth1.plugin import BaseAuthPlugin
from keystoneauth1.session import Session
from requests import Response
from requests.auth import AuthBase

from gaussdb_tasks.api import error_responses
from gaussdb_tasks.api.auth import endpoints
from gaussdb_tasks.api.auth.credentials import (
    SENDABLE,
    KeySource,
    SignatureCredential,
    TokenCredential,
)
from gaussdb_tasks.api.auth.sign_in_gate import SignInGate
from gaussdb_tasks.api.deadline import Deadline, ends_by, retrying
from gaussdb_tasks.errors import (
    AccessError,
    ConfigurationError,
    GaussdbTasksError,
    ServiceError,
    SignInRefusedError,
)
from gaussdb_tasks.foreign_text import clean
from gaussdb_tasks.known_secrets import remember

_REMEDY: Final = (
    "check user, password and domain; a passcode (OS_PASSCODE) is valid once, for some seconds"
)
_ANSWER_SECONDS: Final = 60.0
"""The longest time for a sign-in, all its answers together."""

_T = TypeVar("_T")

_TRANSIENT: Final = (
    keystone.ConnectFailure,
    keystone.SSLError,
    keystone.ConnectTimeout,
    keystone.UnknownConnectionError,
)


class Identity(Protocol):
    """A source of credentials.

    Attributes:
        account: identifies the user for the rate limit. It may be a secret: do not show it.
        remedy: what to do if the credentials are refused permanently.
    """

    remedy: str

    @property
    def account(self) -> str: ...  # noqa: D102 - see above

    def credential(self) -> AuthBase:
        """Return the authentication of a request; all threads share it."""

    def renew(self, refused: AuthBase) -> bool:  # noqa: ARG002 - of those that cannot be renewed
        """Replace refused credentials; return False if that is not possible."""
        return False

    def project_name(self, project_id: str) -> str:  # noqa: ARG002 - of those that do not have it
        """Return the project's name, if the credentials have it; no call is made."""
        return ""


class TokenIdentity(Identity):
    """A token that the user provides; it cannot be renewed."""

    remedy = (
        "the token is invalid or has expired; get a new one, or sign in with clouds.yaml or "
        "OS_USERNAME and OS_PASSWORD"
    )

    def __init__(self, token: str) -> None:
        """Take a token.

        Raises:
            ConfigurationError: it is not a token; the message does not show it.
        """
        self._token = clean(token)
        remember(self._token)
        if not SENDABLE.fullmatch(self._token):
            message = (
                "the token (OS_TOKEN) is empty or has invalid characters, such as a line break "
                "or a quote; get a new one"
            )
            raise ConfigurationError(message)

    @property
    def account(self) -> str:
        """The token, because its user is not known here."""
        return self._token

    def credential(self) -> TokenCredential:
        """Return the token."""
        return TokenCredential(self._token)


class KeyIdentity(Identity):
    """An access key that signs each request."""

    remedy = (
        "the access key is refused; check OS_ACCESS_KEY, OS_SECRET_KEY and, with temporary keys, "
        "OS_SECURITY_TOKEN; check this machine's clock, it may be at most 15 minutes off"
    )

    def __init__(self, keys: KeySource, project_id: str | None) -> None:
        self._keys = keys
        self._project_id = project_id

    @property
    def account(self) -> str:
        """The owner of the keys."""
        return self._keys.account

    def credential(self) -> SignatureCredential:
        """Return the signature credential."""
        return SignatureCredential(self._keys.current(), self._project_id)

    def renew(self, refused: AuthBase) -> bool:
        """Get other keys, if their source has any."""
        return isinstance(refused, SignatureCredential) and self._keys.renew(refused.keys)


class KeystoneIdentity(Identity):
    """A token that keystoneauth1 gets from IAM and renews.

    keystoneauth1 renews a token only on 401, and separately in each thread. But the task center
    also answers 403 for an expired token, and threads that are refused together need one new token.
    All identities of an account share its gate.
    """

    remedy = "a new token of IAM is refused; check the user's permissions and run it again"

    def __init__(
        self,
        plugin: BaseAuthPlugin,
        session: Session,
        *,
        iam_url: str,
        user: str = "",
        gate: SignInGate | None = None,
    ) -> None:
        self._plugin = plugin
        self._gate = gate or SignInGate()
        self._session = session
        self._iam_url = iam_url
        self._user = user
        self._lock = threading.Lock()

    @property
    def account(self) -> str:
        """IAM and the user."""
        return f"{self._iam_url} {self._user}"

    def credential(self) -> TokenCredential:
        """Return the current token; sign in if there is none or it is about to expire.

        Raises:
            AccessError: IAM refuses the user, the password or the project.
            ServiceError: IAM cannot be reached or fails.
        """
        with self._lock:
            return TokenCredential(self._fetch_token())

    def renew(self, refused: AuthBase) -> bool:
        """Get a new token, unless another thread has already replaced the refused one."""
        with self._lock:
            if TokenCredential(self._fetch_token()) == refused:
                self._plugin.invalidate()
                self._fetch_token()
            return True

    def project_id(self) -> str | None:
        """Return the id of the project that the token is scoped to."""
        with self._lock:
            self._fetch_token()
            return _call_iam(self._iam_url, lambda: self._plugin.get_project_id(self._session))

    def project_name(self, project_id: str) -> str:
        """Return the name in the current token, if there is a token and it is for the project."""
        token: Any = getattr(self._plugin, "auth_ref", None)
        try:
            name = token.project_name if token.project_id == project_id else None
        except (AttributeError, LookupError, TypeError):  # no token, or a body of another shape
            return ""
        return name if isinstance(name, str) else ""

    def list_projects(self) -> list[Any]:
        """Fetch IAM's list of the user's projects as decoded JSON.

        Raises:
            AccessError: IAM refuses.
            ServiceError: IAM cannot be reached or fails.
        """
        url = endpoints.projects_url(self._iam_url)
        with self._lock:
            self._fetch_token()

            return fetch_project_list(
                self._iam_url, lambda: self._session.get(url, auth=self._plugin)
            )

    def _fetch_token(self) -> str:
        at_hand: Any = getattr(self._plugin, "auth_ref", None)
        if at_hand and not at_hand.will_expire_soon(BaseIdentityPlugin.MIN_TOKEN_LIFE_SECONDS):
            return str(at_hand.auth_token)
        token = self._gate.run(self._token_of, self._plugin)
        if token is None:
            message = f"sign-in at {self._iam_url} returned no token; check the credentials"
            raise AccessError(message)
        remember(token)
        return token

    def _token_of(self, plugin: BaseAuthPlugin) -> str | None:
        return _call_iam(self._iam_url, lambda: plugin.get_token(self._session))


def fetch_project_list(
    iam_url: str, call: Callable[[], Response], *, remedy: str = _REMEDY
) -> list[Any]:
    """Return IAM's list of projects as decoded JSON, unchecked.

    Args:
        iam_url: for messages.
        call: gets the list with a session of keystoneauth1.
        remedy: what to do if IAM refuses the credentials.

    Raises:
        AccessError: IAM refuses.
        ServiceError: IAM cannot be reached or fails, or the response has no list.
    """
    response = _call_iam(iam_url, call, remedy)
    try:
        body = response.json()
        projects = body.get("projects") if isinstance(body, dict) else None
    except ValueError:  # a page for browsers
        projects = None
    if not isinstance(projects, list):
        raise _not_of_iam(response, iam_url)
    return projects


def _call_iam(iam_url: str, call: Callable[[], _T], remedy: str = _REMEDY) -> _T:
    """Make a call with its retries; errors of keystoneauth1 become one message with a remedy."""
    try:
        result: _T = retrying(_is_transient)(_with_deadline, call)
    except keystone.HttpError as error:
        raise _refusal(error, iam_url, remedy) from error
    except keystone.InvalidResponse as error:
        raise _not_of_iam(error.response, iam_url) from error
    except keystone.DiscoveryFailure as error:
        message = (
            f"{iam_url} is not a usable IAM endpoint ({error}); check OS_AUTH_URL and OS_CACERT"
        )
        raise ConfigurationError(message) from error
    except _TRANSIENT as error:
        lasting = _lasting_fault(iam_url, error)
        if lasting is not None:
            raise ConfigurationError(lasting) from error
        raise _not_available(iam_url, error_responses.describe_cause(error)) from error
    except keystone.ClientException as error:
        message = f"sign-in at {iam_url} is not possible: {error}"
        raise ConfigurationError(message) from error
    return result


def _is_transient(error: BaseException) -> bool:
    if isinstance(error, keystone.HttpError):
        return error_responses.is_transient_status(error.http_status)
    return isinstance(error, _TRANSIENT) and not _lasting_fault("", error)


def _lasting_fault(iam_url: str, error: BaseException) -> str | None:
    return error_responses.describe_lasting_fault(iam_url, error, "OS_AUTH_URL")


def _with_deadline(call: Callable[[], _T]) -> _T:
    with ends_by(Deadline(_ANSWER_SECONDS)):
        try:
            return call()
        except keystone.DiscoveryFailure as error:
            # Of an address without a version keystoneauth1 shows only that it found no version.
            reason = error.__context__
            is_answered = getattr(reason, "response", None) is not None
            if reason is not None and (is_answered or isinstance(reason, _TRANSIENT)):
                raise reason from error
            raise


def _refusal(error: keystone.HttpError, iam_url: str, remedy: str) -> GaussdbTasksError:
    """Return the error for a response with an error status; status and body decide which."""
    content = b"" if error.response is None else error.response.content
    response = error_responses.parse_error_response(error.http_status, content)
    if error_responses.is_transient_status(response.status):
        return _not_available(iam_url, response)
    if response.status == HTTPStatus.PROXY_AUTHENTICATION_REQUIRED:
        return ConfigurationError(error_responses.describe_proxy_refusal(iam_url, response))
    if response.status == HTTPStatus.UNAUTHORIZED:
        return SignInRefusedError(f"{iam_url} refuses the sign-in ({response}); {remedy}")
    if response.status == HTTPStatus.NOT_FOUND:
        message = (
            f"{iam_url} is not a usable IAM endpoint ({response}); check OS_AUTH_URL and OS_CACERT"
        )
        return ConfigurationError(message)
    if not response.is_json:
        message = (
            f"{iam_url} does not answer as IAM ({response}); it may be a proxy, a firewall or a "
            "portal in between; check OS_AUTH_URL and HTTPS_PROXY"
        )
        return AccessError(message)
    return AccessError(f"{iam_url} rejects the sign-in ({response}); check project and domain")


def _not_of_iam(response: Response, iam_url: str) -> GaussdbTasksError:
    """Return the error for a response without an error status that is not from IAM."""
    words = error_responses.summarise(response.content)
    message = (
        f"{iam_url} does not answer as IAM ({response.status_code}, {words}); it may be a portal "
        "or a maintenance page; run it again, then check OS_AUTH_URL"
    )
    is_redirect = response.status_code >= HTTPStatus.MULTIPLE_CHOICES
    return ConfigurationError(message) if is_redirect else ServiceError(message)


def _not_available(iam_url: str, cause: object) -> ServiceError:
    return ServiceError(f"sign-in failed: {iam_url} is not available ({cause}); run it again")
