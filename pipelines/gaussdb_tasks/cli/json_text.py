"""Encode values as JSON."""

import json
from typing import Any

import msgspec


def json_text(value: Any) -> str:
    """Return a value as compact JSON; a value that JSON cannot hold becomes a text."""
    try:
        return msgspec.json.encode(value, enc_hook=str).decode()
    except UnicodeEncodeError:  # half a surrogate pair, as for a file name that is not UTF-8
        return json.dumps(msgspec.to_builtins(value, enc_hook=str), separators=(",", ":"))
