"""Provide the credentials of calls, and renew them when they are refused."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final, Protocol, TypeVar

import tenacity
from keystoneauth1 import exceptions as keystone
from keystoneauth1.plugin import BaseAuthPlugin
from keystoneauth1.session import Session
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
from gaussdb_tasks.api.deadline import Deadline, ends_by, seconds_left
from gaussdb_tasks.errors import (
    AccessError,
    ConfigurationError,
    ServiceError,
    SignInRefusedError,
)
from gaussdb_tasks.foreign_text import clean
from gaussdb_tasks.known_secrets import remember

_ATTEMPTS: Final = 4
_ANSWER_SECONDS: Final = 60.0
"""The longest time for a sign-in, all its answers together."""

_T = TypeVar("_T")

_TRANSIENT: Final = (
    keystone.ConnectFailure,
    keystone.SSLError,
    keystone.ConnectTimeout,
    keystone.UnknownConnectionError,
    keystone.HttpServerError,
    keystone.TooManyRequests,
)


class Identity(Protocol):
    """A source of credentials.

    Attributes:
        account: identifies the user for the rate limit. It may be a secret: do not show it.
        remedy: what to do if the credentials are refused permanently.
    """

    @property
    def account(self) -> str: ...  # noqa: D102 - see above

    @property
    def remedy(self) -> str: ...  # noqa: D102 - see above

    def credential(self) -> AuthBase:
        """Return the authentication of a request; all threads share it."""

    def renew(self, refused: AuthBase) -> bool:
        """Replace refused credentials; return False if that is not possible."""

    def project_name(self, project_id: str) -> str:
        """Return the project's name, if the credentials have it; no call is made."""


class TokenIdentity:
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

    def renew(self, refused: AuthBase) -> bool:  # noqa: ARG002 - part of the protocol
        """Return False: the token cannot be replaced."""
        return False

    def project_name(self, project_id: str) -> str:  # noqa: ARG002 - part of the protocol
        """Return nothing: the token alone does not have it."""
        return ""


class KeyIdentity:
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

    def project_name(self, project_id: str) -> str:  # noqa: ARG002 - part of the protocol
        """Return nothing: keys do not have it."""
        return ""


class KeystoneIdentity:
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
        self.account = f"{iam_url} {user}"
        self._lock = threading.Lock()
        self._retrying = tenacity.Retrying(
            retry=tenacity.retry_if_exception(_is_transient),
            stop=lambda state: state.attempt_number >= _ATTEMPTS or seconds_left() <= 0,
            wait=tenacity.wait_random_exponential(multiplier=0.5, max=20),
            sleep=lambda seconds: time.sleep(min(seconds, seconds_left())),
            reraise=True,
        )

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
            return self._call_iam(lambda: self._plugin.get_project_id(self._session))

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

            response = self._call_iam(lambda: self._session.get(url, auth=self._plugin))
            try:
                body = response.json()
            except ValueError:  # a page for browsers
                body = None
            return read_project_list(body, self._iam_url)

    def _fetch_token(self) -> str:
        token = self._gate.run(self._token_of, self._plugin)
        if token is None:
            message = f"sign-in at {self._iam_url} returned no token; check the credentials"
            raise AccessError(message)
        remember(token)
        return token

    def _token_of(self, plugin: BaseAuthPlugin) -> str | None:
        return self._call_iam(lambda: plugin.get_token(self._session))

    def _call_iam(self, call: Callable[[], _T]) -> _T:
        with _explain_keystone_errors(self._iam_url):
            result: _T = self._retrying(_with_deadline, call)
            return result


def read_project_list(body: Any, iam_url: str) -> list[Any]:
    """Return the list of projects in a response of IAM, unchecked.

    Raises:
        ServiceError: the response has no list.
    """
    projects = body.get("projects") if isinstance(body, dict) else None
    if not isinstance(projects, list):
        message = f"{iam_url} did not return a list of projects; run it again"
        raise ServiceError(message)
    return projects


def _describe(error: Exception) -> str:
    """Return why a call of IAM failed, with the first words of a response that is not JSON."""
    response = getattr(error, "response", None)
    if response is None:
        return error_responses.describe_cause(error)
    parsed = error_responses.parse_error_response(response.status_code, response.content)
    return str(error) if parsed.is_json else f"{error}: {parsed.message}"


def _is_transient(error: BaseException) -> bool:
    return isinstance(error, _TRANSIENT) and not error_responses.is_address_fault(error)


def _with_deadline(call: Callable[[], _T]) -> _T:
    with ends_by(Deadline(_ANSWER_SECONDS)):
        return call()


@contextmanager
def _explain_keystone_errors(iam_url: str) -> Iterator[None]:
    """Turn the errors of keystoneauth1 into one message with a remedy."""
    try:
        yield
    except keystone.Unauthorized as error:
        message = (
            f"{iam_url} refuses the sign-in ({_describe(error)}); check user, password and domain; "
            "a passcode (OS_PASSCODE) is valid once, for some seconds"
        )
        raise SignInRefusedError(message) from error
    except keystone.InvalidResponse as error:
        words = error_responses.summarise(error.response.content)
        message = (
            f"{iam_url} does not answer as IAM ({error.response.status_code}, {words}); it may be "
            "a portal or a maintenance page; run it again, then check OS_AUTH_URL"
        )
        error_class = ConfigurationError if error.response.is_redirect else ServiceError
        raise error_class(message) from error
    except (keystone.DiscoveryFailure, keystone.NotFound) as error:
        message = (
            f"{iam_url} is not a usable IAM endpoint ({error}); check OS_AUTH_URL and OS_CACERT"
        )
        raise ConfigurationError(message) from error
    except keystone.SSLError as error:
        cause = error_responses.describe_cause(error)
        if not error_responses.is_certificate_error(error):
            message = (
                f"sign-in failed: the TLS connection to {iam_url} failed ({cause}); run it again"
            )
            raise ServiceError(message) from error
        message = (
            f"the certificate of {iam_url} is not trusted ({cause}); "
            "set OS_CACERT to your CA bundle"
        )
        raise ConfigurationError(message) from error
    except _TRANSIENT as error:
        if error_responses.is_address_fault(error):
            message = error_responses.describe_address_fault(iam_url, error)
            raise ConfigurationError(message) from error
        cause = _describe(error)
        message = f"sign-in failed: {iam_url} is not available ({cause}); run it again"
        raise ServiceError(message) from error
    except keystone.HTTPClientError as error:
        message = f"{iam_url} rejects the sign-in ({_describe(error)}); check project and domain"
        raise AccessError(message) from error
    except keystone.ClientException as error:
        message = f"sign-in at {iam_url} is not possible: {error}"
        raise ConfigurationError(message) from error
