"""Tokens: issued for some projects, spent call by call, ended by time, by use or at once."""

import secrets
import threading
from collections.abc import Collection
from dataclasses import dataclass, replace

from gaussdb_tasks.model.times import Micros


@dataclass(frozen=True, slots=True)
class Grant:
    """What a token allows: these projects, up to an instant, so many times more."""

    project_ids: frozenset[str]
    expires_at: Micros | None = None
    uses_left: int | None = None
    is_revoked: bool = False

    def is_valid_at(self, now: Micros) -> bool:
        """Tell whether the token still opens anything."""
        in_time = self.expires_at is None or now < self.expires_at
        return in_time and self.uses_left != 0 and not self.is_revoked


class TokenStore:
    """All tokens ever issued; safe to share by threads."""

    def __init__(self) -> None:
        self._grants: dict[str, Grant] = {}
        self._lock = threading.Lock()

    def issue(
        self,
        project_ids: Collection[str],
        *,
        expires_at: Micros | None = None,
        uses: int | None = None,
    ) -> str:
        """Make a token for these projects; without an expiry it lives until it is revoked."""
        token = secrets.token_urlsafe(48)
        with self._lock:
            self._grants[token] = Grant(frozenset(project_ids), expires_at, uses)
        return token

    def find(self, token: str) -> Grant | None:
        """Look a token up, valid or not, without using it."""
        return self._grants.get(token)

    def spend(self, token: str) -> Grant | None:
        """Look a token up and use it once; the grant is given as it was before."""
        with self._lock:
            grant = self._grants.get(token)
            if grant is not None and grant.uses_left:
                self._grants[token] = replace(grant, uses_left=grant.uses_left - 1)
            return grant

    def revoke(self, token: str) -> None:
        """End one token.

        Raises:
            KeyError: there never was such a token.
        """
        with self._lock:
            self._grants[token] = replace(self._grants[token], is_revoked=True)

    def revoke_all(self) -> None:
        """End every token issued so far, as a change of password does."""
        with self._lock:
            for token, grant in self._grants.items():
                self._grants[token] = replace(grant, is_revoked=True)
