"""Mask the credentials of URLs in texts that are shown, logged or stored.

Where a text is ambiguous, too much is masked rather than too little.
"""

import re
from typing import Final
from urllib.parse import unquote

_MASK: Final = "***"

# A URL has no white space. Word by word, a long text without `@` takes linear time.
_WORD: Final = re.compile(r"\S+")

# `scheme://` or `//` at the start of a URL; `file:///path` has no host and no credentials.
_SCHEME: Final = r"""(?:[A-Za-z][A-Za-z0-9+.-]*:|(?<![^\s"'(=,;<]))//(?!/)"""
# A proxy may be given as `user:password@host`, without a scheme.
_BARE_USER: Final = r"""(?<![^\s"'(=,;<])(?=[^\s:@/"'(=,;<]+:(?!//))"""
# Up to the last `@` of the URL: a password may contain `@`, `:`, `/`, `?` and `#`.
_USERINFO: Final = re.compile(
    rf"(?P<scheme>{_SCHEME}|{_BARE_USER})(?:(?![^\w+.-][A-Za-z][A-Za-z0-9+.-]*://)\S)+@"
)
_PARAMETER: Final = re.compile(r"""(?P<start>[?&#;])(?P<name>[^\s?&#;=]+)=(?P<value>[^\s&"'<>]*)""")
_SECRET_NAME: Final = re.compile(
    r"token|secret|passw|passphrase|passcode|pwd|key|credential|signature|jwt|authorization"
    r"|(?:^|[^a-z])(?:sig|auth|pass)(?:$|[^a-z])",
    re.IGNORECASE,
)


def mask_url_credentials(text: str) -> str:
    """Replace the credentials of every URL in a text by ``***``.

    Credentials are the part before ``@``, with or without a scheme, and the values of query
    parameters whose names suggest a secret. A password that contains ``://`` is not recognised
    as a whole.
    """
    return _WORD.sub(_mask_word, text)


def _mask_word(match: re.Match[str]) -> str:
    word = _PARAMETER.sub(_mask_parameter, match[0])
    return _USERINFO.sub(rf"\g<scheme>{_MASK}@", word) if "@" in word else word


def _mask_parameter(match: re.Match[str]) -> str:
    if not _SECRET_NAME.search(unquote(match["name"])):
        return match[0]
    # This may also be the end of a password; the `@` lets the part before it be masked as well.
    masked = f"{_MASK}@{_MASK}" if "@" in match["value"] else _MASK
    return f"{match['start']}{match['name']}={masked}"
