"""What can go wrong with one call, on its way to the service or back."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from gaussdb_tasks.emulator.messages import Damage, Delivery, Response, gateway_error

_NO_RESPONSE: Final = Response(0)


@dataclass(frozen=True, slots=True)
class Fault:
    """What happens to one call: another response, or harm to the true one on its way."""

    response: Response | None = None
    delay_seconds: float = 0.0
    damage: Damage = "none"

    def deliver(self, answer: Callable[[], Response]) -> Delivery:
        """Ask for the true response if the call gets as far as that, and do the harm."""
        if self.damage == "dropped":
            return Delivery(_NO_RESPONSE, self.damage)
        return Delivery(self.response or answer(), self.damage)


def answers(response: Response) -> Fault:
    """Answer with this response, whatever was asked."""
    return Fault(response)


def server_error(status: int = 500, *, retry_after: int | str | None = None) -> Fault:
    """Fail for a while: 500, 502, 503 or 504, with or without Retry-After."""
    response = gateway_error(status, "APIGW.0201", "Backend unavailable")
    return Fault(_with_retry_after(response, retry_after))


def too_many_requests(*, retry_after: int | str | None = None) -> Fault:
    """Refuse as the gateway does when calls are rationed."""
    message = "The throttling threshold has been reached: policy user over ratelimit"
    return Fault(_with_retry_after(gateway_error(429, "APIGW.0308", message), retry_after))


def proxy_page(status: int = 502) -> Fault:
    """Answer with the HTML page of a proxy in between."""
    page = b"<html><head><title>Gateway</title></head><body><h1>Bad Gateway</h1></body></html>"
    return Fault(Response(status, page, (("Content-Type", "text/html"),)))


def not_json() -> Fault:
    """Answer 200 with something that is no JSON."""
    return Fault(Response(200, b"service is starting", (("Content-Type", "application/json"),)))


def redirect(location: str, status: int = 302) -> Fault:
    """Send the client elsewhere, maybe to a host that must not see its token."""
    return Fault(Response(status, b"", (("Location", location),)))


def truncated() -> Fault:
    """Answer 200 with the first half of the JSON text, in a response that is whole as HTTP."""
    return Fault(damage="truncated")


def broken_off() -> Fault:
    """Close the connection halfway through the body."""
    return Fault(damage="broken_off")


def dropped() -> Fault:
    """Close the connection without an answer."""
    return Fault(damage="dropped")


def slow(seconds: float) -> Fault:
    """Answer truly, but late."""
    return Fault(delay_seconds=seconds)


def _with_retry_after(response: Response, retry_after: int | str | None) -> Response:
    if retry_after is None:
        return response
    headers = (*response.headers, ("Retry-After", str(retry_after)))
    return Response(response.status, response.body, headers)


PASSING_FAULTS: Final = (
    too_many_requests(),
    too_many_requests(retry_after=1),
    server_error(500),
    server_error(502),
    server_error(503),
    server_error(503, retry_after=1),
    server_error(504),
    proxy_page(),
    not_json(),
    truncated(),
    broken_off(),
    dropped(),
)
"""Everything that is worth asking again after."""
