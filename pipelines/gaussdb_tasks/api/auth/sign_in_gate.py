"""Try a wrong password once, however many projects, regions and clouds sign in with it.

IAM locks a user after a few refusals. But it also refuses a user who may not enter one project, and
does not say which of the two it means. So before projects share a password, one sign-in without a
project proves it.
"""

import threading
from collections.abc import Callable
from typing import TypeAlias

from keystoneauth1.plugin import BaseAuthPlugin

from gaussdb_tasks.errors import AccessError, SignInRefusedError

_TokenOf: TypeAlias = Callable[[BaseAuthPlugin], str | None]


class SignInGate:
    """Lets the sign-ins of one account pass until one shows that its password is refused.

    Attributes:
        is_shared: whether several projects may sign in with the account.
        proof: signs in without a project; None if the credentials are valid for one sign-in only.
    """

    def __init__(self) -> None:
        self.is_shared = False
        self.proof: BaseAuthPlugin | None = None
        self._lock = threading.Lock()
        self._is_proven = False
        self._refusal: SignInRefusedError | None = None

    def run(self, token_of: _TokenOf, plugin: BaseAuthPlugin) -> str | None:
        """Return the token of a plugin, unless its account was refused already.

        Raises:
            SignInRefusedError: IAM refuses the account now, or did so before.
        """
        if not self.is_shared:
            return token_of(plugin)
        if not self._is_proven:
            with self._lock:
                if self._refusal is not None:
                    raise SignInRefusedError(*self._refusal.lines) from self._refusal
                if self.proof is None:
                    return self._try(token_of, plugin)
                if not self._is_proven:
                    self._prove(token_of, self.proof)
        try:
            return token_of(plugin)
        except SignInRefusedError:
            self._is_proven = False  # the password may have been changed meanwhile
            raise

    def _try(self, token_of: _TokenOf, plugin: BaseAuthPlugin) -> str | None:
        try:
            return token_of(plugin)
        except SignInRefusedError as error:
            self._refusal = error
            raise

    def _prove(self, token_of: _TokenOf, proof: BaseAuthPlugin) -> None:
        proof.invalidate()
        try:
            self._try(token_of, proof)
        except SignInRefusedError:
            raise
        except AccessError:
            pass  # IAM lets nobody in without a project: the sign-in to the project shows it
        self._is_proven = True
