"""Read a secret from a variable, a file or the output of a command.

``OS_PASSWORD`` holds the secret. ``OS_PASSWORD_FILE`` names a file with it, as containers and
systemd provide it. ``OS_PASSWORD_COMMAND`` is a command that prints it, such as a password store.
"""

import os
import shlex
import stat
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from gaussdb_tasks.errors import ConfigurationError

_COMMAND_SECONDS: Final = 60
_MAX_BYTES: Final = 64 * 1024


def read_secret(environ: Mapping[str, str], name: str) -> str | None:
    """Return a secret without the line break at its end; None if no variable is set.

    Raises:
        ConfigurationError: it is set twice, its file is readable by others, or reading it fails.
            The message does not show the secret.
    """
    given = [key for key in (name, f"{name}_FILE", f"{name}_COMMAND") if environ.get(key)]
    if not given:
        return None
    if len(given) > 1:
        message = f"{' and '.join(given)} are set; keep one of them"
        raise ConfigurationError(message)
    (key,) = given
    if key == name:
        return environ[key]
    if key.endswith("_FILE"):
        secret = _read_file(Path(environ[key]).expanduser(), key)
    else:
        secret = _run(environ[key], key)
    if not secret:
        message = f"{key}: the secret is empty; put the secret there, or unset the variable"
        raise ConfigurationError(message)
    return secret


def _read_file(path: Path, key: str) -> str:
    try:
        # Opened once, so that the file that is checked is the file that is read.
        with path.open("rb") as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode):
                message = f"{key}: {path} is not a regular file"
                raise ConfigurationError(message)
            # The group may read: orchestrators give access to the user of a container that way.
            if stat.S_IMODE(status.st_mode) & (stat.S_IRWXO | stat.S_IWGRP):
                message = f"{key}: {path} is open to other users; run: chmod 600 {path}"
                raise ConfigurationError(message)
            content = file.read(_MAX_BYTES)
    except OSError as error:
        message = f"{key}: {path} cannot be read ({error.strerror}); check path and mode"
        raise ConfigurationError(message) from error
    return _decode(content, key)


def _run(command: str, key: str) -> str:
    try:
        arguments = shlex.split(command)
        ran = subprocess.run(  # noqa: S603 - the operator's own command, without a shell
            arguments,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            timeout=_COMMAND_SECONDS,
            check=True,
        )
    except subprocess.CalledProcessError as error:
        message = f"{key}: the command ended with exit code {error.returncode}"
        raise ConfigurationError(message) from None  # its output may contain a part of the secret
    except subprocess.TimeoutExpired:
        message = f"{key}: the command did not end within {_COMMAND_SECONDS} seconds"
        raise ConfigurationError(message) from None
    except (OSError, ValueError, IndexError) as error:
        message = (
            f"{key}: the command cannot be run ({type(error).__name__}); write it as in a shell"
        )
        raise ConfigurationError(message) from error
    return _decode(ran.stdout, key)


def _decode(content: bytes, key: str) -> str:
    try:
        return content.decode().rstrip("\r\n")
    except UnicodeDecodeError:
        message = f"{key}: the secret is not UTF-8 text"
        raise ConfigurationError(message) from None
