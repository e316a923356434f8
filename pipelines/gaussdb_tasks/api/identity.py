"""Who asks: a token that is always at hand, and a new one when the old is refused."""

import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final, Protocol, TypeVar

import tenacity
from keystoneauth1 import exceptions as keystone
from keystoneauth1.plugin import BaseAuthPlugin
from keystoneauth1.session import Session

from gaussdb_tasks.api import faults
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
    """Something that can be asked for a token."""

    def token(self) -> str:
        """Return a token; all threads share it."""

    def renew(self, refused: str) -> bool:
        """Replace a refused token; False where there is no way to get another."""

    def redact(self, text: str) -> str:
        """Blot out the secrets of this identity, should they occur in a text."""


class TokenIdentity:
    """A ready token, used as it is."""

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

    def token(self) -> str:
        """Return the token."""
        return self._token

    def renew(self, refused: str) -> bool:  # noqa: ARG002 - part of the protocol
        """Say that a ready token cannot be replaced."""
        return False

    def redact(self, text: str) -> str:
        """Blot out the token."""
        return _blot_out(text, self._token)


class KeystoneIdentity:
    """A token that keystoneauth1 gets from IAM, and gets anew.

    keystoneauth1 renews on 401 only and on its own account in each thread; the task center also
    says 403 for an expired token, and eight threads that are refused at once need one new token.
    """

    def __init__(
        self, plugin: BaseAuthPlugin, session: Session, *, iam_url: str, secret: str = ""
    ) -> None:
        self._plugin = plugin
        self._session = session
        self._iam_url = iam_url
        self._lock = threading.Lock()
        self._secrets: set[str] = {secret}
        self._retrying = tenacity.Retrying(
            retry=tenacity.retry_if_exception_type(_PASSING),
            stop=tenacity.stop_after_attempt(4),
            wait=tenacity.wait_random_exponential(multiplier=0.5, max=20),
            reraise=True,
        )

    def token(self) -> str:
        """Return the current token; signs in the first time, and when it is about to expire.

        Raises:
            AccessError: IAM refuses the user, the password or the project.
            ServiceError: IAM cannot be reached or fails.
        """
        with self._lock:
            return self._fetch_token()

    def renew(self, refused: str) -> bool:
        """Get a new token, unless another thread has done so already."""
        with self._lock:
            if self._fetch_token() == refused:
                self._plugin.invalidate()
                self._fetch_token()
            return True

    def project_id(self) -> str | None:
        """Return the id of the project that the token is for."""
        with self._lock:
            return self._ask(lambda: self._plugin.get_project_id(self._session))

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
        why = faults.plainly(error)
        if not faults.is_certificate_refused(error):
            message = f"sign-in failed: the connection to {iam_url} broke ({why}); run it again"
            raise ServiceError(message) from error
        message = f"{iam_url} shows a certificate that is not trusted ({why}); see OS_CACERT"
        raise ConfigurationError(message) from error
    except _PASSING as error:
        why = faults.plainly(error)
        message = f"sign-in failed: {iam_url} does not answer as it should ({why}); run it again"
        raise ServiceError(message) from error
    except keystone.HTTPClientError as error:
        message = f"{iam_url} does not accept the sign-in ({error}); check project and domain"
        raise AccessError(message) from error
    except keystone.ClientException as error:
        message = f"sign-in at {iam_url} is not possible: {error}"
        raise ConfigurationError(message) from error
