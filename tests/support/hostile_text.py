"""Text that would harm a terminal or a log, and how to find it in output."""

import unicodedata
from typing import Final

LETTERS: Final = "e\u0301 漢字 مرحبا שלום हिन्दी"
"""Text that is shown as it is: letters, a combining accent, and scripts from right to left."""

HOSTILE: Final = (
    "\x1b[31mred\x1b]0;title\x07\x9b2J back\b\b\rover\x0b\x0c\x7f tab\t"
    "\n2026-03-18T00:00:00Z intact: forged\u2028forged\u2029forged\x85forged\r\n"
    "\u202egnp.exe\u202c\u2066\u2069\u200e\u061c\u200b\u200d\ufeff\u00ad\U000e0041\ue000 "
) + LETTERS
"""No NUL and no slash, so that it can be the name of a file."""

FILE_NAME: Final = HOSTILE + "\udcff"
"""A file name that is not UTF-8, as Python reads it."""

_INVISIBLE: Final = frozenset({"Cc", "Cf", "Cn", "Co", "Cs", "Zl", "Zp"})


def invisible_in(output: str) -> set[str]:
    """Return the characters that must not be in output; line feeds end its lines."""
    return {
        character
        for character in output.replace("\n", "")
        if unicodedata.category(character) in _INVISIBLE
    }
