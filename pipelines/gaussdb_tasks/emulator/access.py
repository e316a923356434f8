"""Who may ask: the account, its tokens and keys, and the answers to everybody else."""

from dataclasses import dataclass, field
from typing import Final

from gaussdb_tasks.contract import TOKEN_HEADER
from gaussdb_tasks.emulator.behaviour import GATEWAY_401, ExpiredToken
from gaussdb_tasks.emulator.messages import (
    RefusedError,
    Request,
    Response,
    gateway_error,
    service_error,
)
from gaussdb_tasks.emulator.signatures import KeyPair, check_signature, is_signed
from gaussdb_tasks.emulator.tokens import TokenStore
from gaussdb_tasks.model.times import Micros

_INVENTED_KEYS: Final = KeyPair("INVENTEDACCESSKEY000", "invented-secret-of-no-use-elsewhere")


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """The one invented user, with all that opens a door to this user."""

    user: str = "night-auditor"
    password: str = "invented-password"  # noqa: S105 - opens nothing but an emulator
    domain: str = "OTC00000000001000012345"
    keys: KeyPair = _INVENTED_KEYS
    agency: str | None = None
    """An agency that the user may assume; it is made by the user's own domain."""


@dataclass(frozen=True, slots=True)
class Gate:
    """Checks what a request brings along: a token, or a signature by the account's keys."""

    account: Account
    project_ids: frozenset[str]
    tokens: TokenStore = field(default_factory=TokenStore)

    def admit(
        self, request: Request, now: Micros, expired_token: ExpiredToken = GATEWAY_401
    ) -> frozenset[str]:
        """Let a request in and tell which projects it may enter; a token is used once.

        Raises:
            RefusedError: nobody known is asking, or one whose token has ended.
        """
        if is_signed(request):
            return self._admit_signed(request, now)
        grant = self.tokens.spend(request.headers.get(TOKEN_HEADER.lower(), ""))
        if grant is None:
            raise RefusedError(_unknown_token())
        if not grant.is_valid_at(now):
            raise RefusedError(_ended_token(expired_token))
        return grant.project_ids

    def _admit_signed(self, request: Request, now: Micros) -> frozenset[str]:
        check_signature(request, self.account.keys, now)
        project_id = request.headers.get("x-project-id")
        if project_id is None:
            return self.project_ids
        return self.project_ids & {project_id}


def _unknown_token() -> Response:
    message = "Incorrect IAM authentication information: decrypt token fail"
    return gateway_error(401, "APIGW.0301", message)


def _ended_token(expired_token: ExpiredToken) -> Response:
    match expired_token:
        case "gateway_401":
            message = "Incorrect IAM authentication information: token expired"
            return gateway_error(401, "APIGW.0301", message)
        case "service_403":
            return service_error(403, "DBS.280056", "The token is invalid or has expired.")
