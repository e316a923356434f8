"""Who asks: credentials that are always at hand, and new ones when the old are refused."""

import re
import threading
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
from gaussdb_tasks.api.auth.credentials import KeyPair, SignatureCredential, TokenCredential
from gaussdb_tasks.errors import AccessError, ConfigurationError, GaussdbTasksError, ServiceError

_HIDDEN: Final = "***"
_SENDABLE: Final = re.compile(r"[!-~]+")
_SHORTEST_SECRET: Final = 8

_T = TypeVar("_T")

_PASSING: Final = (
    keystone.ConnectFailure,
    keystone.SSLError,
    keystone.ConnectTimeout,
    keystone.UnknownConnectionError,
    keystone.HttpServerError,
    keystone.TooManyRequests,
)


class Identity(Protocol):
    """Something that can be asked for credentials.

    Attributes:
        account: who it is for the gateway, which rations calls by user; no secret, not for show.
        mend: what to do when the credentials are refused for good.
    """

    @property
    def account(self) -> str: ...  # noqa: D102 - see above

    @property
    def mend(self) -> str: ...  # noqa: D102 - see above

    def credential(self) -> AuthBase:
        """Return what a request must carry; all threads share it."""

    def renew(self, refused: AuthBase) -> bool:
        """Replace refused credentials; False where there is no way to get others."""

    def redact(self, text: str) -> str:
        """Blot out the secrets of this identity, should they occur in a text."""


class TokenIdentity:
    """A ready token, used as it is."""

    mend = (
        "the token is invalid or has expired; get a new one, or sign in with clouds.yaml or "
        "OS_USERNAME and OS_PASSWORD"
    )

    def __init__(self, token: str) -> None:
        """Take a token, white space around it left out: files often end in a line break.

        Raises:
            ConfigurationError: it cannot be a token; the message does not show it.
        """
        self._token = token.strip()
        if not _SENDABLE.fullmatch(self._token):
            message = (
                "the token (OS_TOKEN) is empty or has characters that no token has, such as a "
                "line break or a quote; get a new one"
            )
            raise ConfigurationError(message)

    @property
    def account(self) -> str:
        """The token: whose it is, only the gateway knows."""
        return self._token

    def credential(self) -> TokenCredential:
        """Return the token."""
        return TokenCredential(self._token)

    def renew(self, refused: AuthBase) -> bool:  # noqa: ARG002 - part of the protocol
        """Say that a ready token cannot be replaced."""
        return False

    def redact(self, text: str) -> str:
        """Blot out the token."""
        return _blot_out(text, self._token)


class KeyIdentity:
    """An access key that signs each request."""

    mend = (
        "the access key is refused; check OS_ACCESS_KEY, OS_SECRET_KEY and, with temporary keys, "
        "OS_SECURITY_TOKEN, and this machine's clock, which may be 15 minutes off at most"
    )

    def __init__(self, keys: KeyPair, project_id: str | None) -> None:
        self._keys = keys
        self._credential = SignatureCredential(keys, project_id)

    @property
    def account(self) -> str:
        """The access key."""
        return self._keys.access_key

    def credential(self) -> SignatureCredential:
        """Return what signs requests."""
        return self._credential

    def renew(self, refused: AuthBase) -> bool:  # noqa: ARG002 - part of the protocol
        """Say that keys cannot be replaced."""
        return False

    def redact(self, text: str) -> str:
        """Blot out the secret key and the security token."""
        for secret in (self._keys.secret_key, self._keys.security_token or ""):
            text = _blot_out(text, secret)
        return text


class KeystoneIdentity:
    """A token that keystoneauth1 gets from IAM, and gets anew.

    keystoneauth1 renews on 401 only and on its own account in each thread; the task center also
    says 403 for an expired token, and eight threads that are refused at once need one new token.
    """

    mend = "IAM's newest token is refused; check the user's permissions, and run it again"

    def __init__(
        self,
        plugin: BaseAuthPlugin,
        session: Session,
        *,
        iam_url: str,
        user: str = "",
        secret: str = "",
    ) -> None:
        self._plugin = plugin
        self._session = session
        self._iam_url = iam_url
        self.account = f"{iam_url} {user}"
        self._lock = threading.Lock()
        self._secrets: set[str] = {secret}
        self._retrying = tenacity.Retrying(
            retry=tenacity.retry_if_exception_type(_PASSING),
            stop=tenacity.stop_after_attempt(4),
            wait=tenacity.wait_random_exponential(multiplier=0.5, max=20),
            reraise=True,
        )

    def credential(self) -> TokenCredential:
        """Return the current token; signs in the first time, and when it is about to expire.

        Raises:
            AccessError: IAM refuses the user, the password or the project.
            ServiceError: IAM cannot be reached or fails.
        """
        with self._lock:
            return TokenCredential(self._fetch_token())

    def renew(self, refused: AuthBase) -> bool:
        """Get a new token, unless another thread has done so already."""
        with self._lock:
            if TokenCredential(self._fetch_token()) == refused:
                self._plugin.invalidate()
                self._fetch_token()
            return True

    def project_id(self) -> str | None:
        """Return the id of the project that the token is for."""
        with self._lock:
            return self._ask(lambda: self._plugin.get_project_id(self._session))

    def list_projects(self) -> list[Any]:
        """Ask IAM which projects the user may enter; as JSON, unread.

        Raises:
            AccessError: IAM refuses.
            ServiceError: it cannot be reached, or fails.
        """
        url = endpoints.projects_url(self._iam_url)
        with self._lock:
            self._fetch_token()

            def ask() -> Any:
                return self._session.get(url, auth=self._plugin).json()

            return read_project_list(self._ask(ask), self._iam_url)

    def redact(self, text: str) -> str:
        """Blot out the password, and every token that was used."""
        for secret in self._secrets:
            text = _blot_out(text, secret)
        return text

    def _fetch_token(self) -> str:
        token = self._ask(lambda: self._plugin.get_token(self._session))
        if token is None:
            message = f"sign-in at {self._iam_url} gave no token; check the credentials"
            raise AccessError(message)
        self._secrets.add(token)
        return token

    def _ask(self, question: Callable[[], _T]) -> _T:
        try:
            with _explained(self._iam_url):
                return self._retrying(question)
        except GaussdbTasksError as error:  # IAM may have repeated what it was told
            raise type(error)(self.redact(str(error))) from error.__cause__


def read_project_list(answer: Any, iam_url: str) -> list[Any]:
    """Take the list out of IAM's answer.

    Raises:
        ServiceError: there is none in it.
    """
    projects = answer.get("projects") if isinstance(answer, dict) else None
    if not isinstance(projects, list):
        message = f"{iam_url} does not list the user's projects as it should; run it again"
        raise ServiceError(message)
    return projects


def _blot_out(text: str, secret: str) -> str:
    # A token has hundreds of characters; a text of a few is a word like any other.
    return text.replace(secret, _HIDDEN) if len(secret) >= _SHORTEST_SECRET else text


@contextmanager
def _explained(iam_url: str) -> Iterator[None]:
    """Turn what keystoneauth1 raises into one sentence with a mend."""
    try:
        yield
    except keystone.Unauthorized as error:
        message = f"{iam_url} refuses the sign-in ({error}); check user, password and domain"
        raise AccessError(message) from error
    except (keystone.DiscoveryFailure, keystone.NotFound) as error:
        message = (
            f"{iam_url} is not an IAM that can be used ({error}); check OS_AUTH_URL, OS_CACERT"
        )
        raise ConfigurationError(message) from error
    except keystone.SSLError as error:
        why = error_responses.plainly(error)
        if not error_responses.is_certificate_refused(error):
            message = f"sign-in failed: the connection to {iam_url} broke ({why}); run it again"
            raise ServiceError(message) from error
        message = f"{iam_url} shows a certificate that is not trusted ({why}); see OS_CACERT"
        raise ConfigurationError(message) from error
    except _PASSING as error:
        why = error_responses.plainly(error)
        message = f"sign-in failed: {iam_url} does not answer as it should ({why}); run it again"
        raise ServiceError(message) from error
    except keystone.HTTPClientError as error:
        message = f"{iam_url} does not accept the sign-in ({error}); check project and domain"
        raise AccessError(message) from error
    except keystone.ClientException as error:
        message = f"sign-in at {iam_url} is not possible: {error}"
        raise ConfigurationError(message) from error
