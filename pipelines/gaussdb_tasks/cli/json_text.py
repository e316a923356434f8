"""Encode values as JSON."""

from typing import Any


def json_text(value: Any) -> str:
    """Return a value as compact JSON; a value that JSON cannot hold becomes a text."""
    import msgspec  # noqa: PLC0415 - help does not need it

    try:
        return msgspec.json.encode(value, enc_hook=str).decode()
    except UnicodeEncodeError:  # half a surrogate pair, as for a file name that is not UTF-8
        import json  # noqa: PLC0415

        return json.dumps(msgspec.to_builtins(value, enc_hook=str), separators=(",", ":"))
