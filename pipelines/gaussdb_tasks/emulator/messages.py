"""Requests and responses as plain values, and errors in the three shapes the cloud gives them."""

import json
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

Damage: TypeAlias = Literal["none", "truncated", "broken_off", "dropped"]

_ENCODER: Final = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))


@dataclass(frozen=True, slots=True)
class Request:
    """An HTTP request: the path as it was sent, header names in lower case."""

    method: str
    path: str
    query: tuple[tuple[str, str], ...]
    headers: Mapping[str, str]
    body: bytes = b""


@dataclass(frozen=True, slots=True)
class Response:
    """An HTTP response; its length and date are added on the way out."""

    status: int
    body: bytes = b""
    headers: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Delivery:
    """A response and what happens to it on the wire.

    `truncated` sends half the body as if it were all of it; `broken_off` promises the whole
    body and closes the connection halfway; `dropped` closes it without a word.
    """

    response: Response
    damage: Damage = "none"

    @property
    def status(self) -> int | None:
        """The status the client gets to see, None if it sees nothing."""
        return None if self.damage == "dropped" else self.response.status


class RefusedError(Exception):
    """A request cannot be granted; carries the response that says so."""

    def __init__(self, response: Response) -> None:
        super().__init__(response.status)
        self.response = response


def compact_json(value: object) -> bytes:
    """Write JSON as the service does: UTF-8, no spaces, keys in the order given."""
    return _ENCODER.encode(value).encode()


def json_response(
    status: int, value: object, headers: tuple[tuple[str, str], ...] = ()
) -> Response:
    """Answer with a JSON document."""
    content_type = ("Content-Type", "application/json;charset=UTF-8")
    return Response(status, compact_json(value), (content_type, *headers))


def service_error(status: int, code: str, message: str) -> Response:
    """Answer with an error in the service's shape."""
    return json_response(status, {"error_code": code, "error_msg": message})


def gateway_error(
    status: int, code: str, message: str, headers: tuple[tuple[str, str], ...] = ()
) -> Response:
    """Answer with an error in the API gateway's shape."""
    body = {"error_msg": message, "error_code": code, "request_id": uuid.uuid4().hex}
    return json_response(status, body, headers)


def identity_error(status: int, title: str, message: str) -> Response:
    """Answer with an error in the identity service's shape."""
    error = {"code": status, "message": message, "title": title}
    return json_response(status, {"error": error})
