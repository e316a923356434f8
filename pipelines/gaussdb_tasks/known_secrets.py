"""Remember the secrets that the settings hold, and mask them in every text that is shown or stored.

Secrets are remembered where they are read. So a message of any library can be masked, also if it
shows a secret in a form of its own: quoted, with escaped line breaks, or encoded for a URL.
"""

import re
import threading
from collections.abc import Iterator, Mapping
from typing import Final
from urllib.parse import quote, unquote

from gaussdb_tasks.foreign_text import visible
from gaussdb_tasks.masking import mask_url_credentials

_MASK: Final = "***"
# A shorter secret may be a common word: it is masked only where it stands alone.
_MIN_LENGTH_INSIDE_WORDS: Final = 8
# A text of three letters is in every second message; masking it would garble them all.
_MIN_LENGTH: Final = 4
_SETTINGS_PREFIXES: Final = (
    *("OS_", "AWS_", "GAUSSDB_TASKS_"),
    *("FSSPEC_", "AZURE_", "GOOGLE_"),  # other stores of copies
    "PGPASSWORD",
    *("HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY", "NO_PROXY", "REQUESTS_CA_BUNDLE"),
)
_SECRET_NAME: Final = re.compile(r"PASSWORD$|TOKEN$|SECRET|PASSCODE|(?<!ACCESS)_KEY$|PING_URL$")
_NO_SECRETS: Final = ("SIGNING_KEY", "PUBLIC_KEY", "OS_KEY", "NEW_KEY", "LOST_KEY")
"""Settings that name the file of a key, or are about one."""
_REFERENCES: Final = ("_FILE", "_COMMAND")
_BASIC_CREDENTIALS: Final = re.compile(
    # With a capital or a digit: "Basic authentication" is no credential.
    r"\b(Basic|Bearer) (?=[a-z+/_.~-]*[A-Z0-9=])[A-Za-z0-9+/=_.~-]{4,}"
)


class _Known:
    """The forms of all secrets, the longest first: a part of it may be another secret."""

    def __init__(self) -> None:
        self.forms: tuple[str, ...] = ()
        self.lock = threading.Lock()


_KNOWN: Final = _Known()


def is_setting(name: str) -> bool:
    """Return whether sign-in, libraries of HTTP or stores, or this program read a variable."""
    return name.upper().startswith(_SETTINGS_PREFIXES)


def is_secret_name(name: str) -> bool:
    """Return whether the value of a setting is a secret, judged by its name."""
    name = name.replace("-", "_").upper()
    return not name.endswith(_NO_SECRETS) and _SECRET_NAME.search(name) is not None


def start_with(environ: Mapping[str, str]) -> None:
    """Forget all secrets, and remember those of the variables."""
    with _KNOWN.lock:
        _KNOWN.forms = ()
    for name, value in environ.items():
        if is_setting(name) and not name.upper().endswith(_REFERENCES):
            if is_secret_name(name):
                remember(value)
            remember_url_credentials(value)


def remember(secret: str | None) -> None:
    """Mask a secret from now on, in all its usual forms."""
    forms = frozenset(_forms_of(secret or ""))
    with _KNOWN.lock:
        if not forms.issubset(_KNOWN.forms):
            _KNOWN.forms = tuple(sorted(forms.union(_KNOWN.forms), key=len, reverse=True))


def remember_url_credentials(url: str) -> None:
    """Mask the password in a URL from now on, as it is written and decoded."""
    user, colon, password = url.rpartition("@")[0].rpartition("//")[2].partition(":")
    if colon and user:
        remember(password)
        remember(unquote(password))


def mask(text: str) -> str:
    """Replace the remembered secrets, and the credentials of every URL, by ``***``."""
    for form in _KNOWN.forms:
        if form in text:
            text = _without(text, form)
    return _BASIC_CREDENTIALS.sub(rf"\1 {_MASK}", mask_url_credentials(text))


def in_one_line(text: str, max_length: int) -> str:
    """Return the start of a foreign text on one line, without secrets."""
    # Masked before it is cut: half a secret is not recognised.
    return visible(" ".join(mask(text).split())[:max_length])


def _without(text: str, form: str) -> str:
    if len(form) >= _MIN_LENGTH_INSIDE_WORDS:
        return text.replace(form, _MASK)
    return re.sub(rf"(?<!\w){re.escape(form)}(?!\w)", _MASK, text)


def _forms_of(secret: str) -> Iterator[str]:
    import json  # noqa: PLC0415 - only a secret needs it

    # A message may show one line of a secret only.
    for part in {secret, secret.strip(), *secret.split()} if _has_lines(secret) else {secret}:
        if len(part) >= _MIN_LENGTH:
            yield part
            yield repr(part)[1:-1]
            yield json.dumps(part)[1:-1]
            yield quote(part, safe="")
            yield quote(part)


def _has_lines(secret: str) -> bool:
    return len(secret.splitlines()) > 1 or secret != secret.strip()
