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
from gaussdb_tasks.foreign_text import clean
from gaussdb_tasks.known_secrets import remember
from gaussdb_tasks.os_errors import explain

_COMMAND_SECONDS: Final = 60
_MOUNTS: Final = Path("/proc/self/mountinfo")
_PODMAN_SECRETS: Final = Path("/run/secrets")
_MAX_BYTES: Final = 64 * 1024


def read_secret(environ: Mapping[str, str], name: str) -> str | None:
    """Return a secret without the line breaks and blanks around it; None if no variable is set.

    It is masked in every message from then on.

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
        secret = clean(environ[key])
    elif key.endswith("_FILE"):
        secret = _read_file(_path(clean(environ[key]), key), key)
    else:
        secret = _run(environ[key], key)
    if not secret:
        message = f"{key}: the secret is empty; put the secret there, or unset the variable"
        raise ConfigurationError(message)
    remember(secret)
    return secret


def _path(text: str, key: str) -> Path:
    try:
        return Path(text).expanduser()
    except RuntimeError as error:
        message = f"{key}: the home directory of ~ is not known; write the whole path"
        raise ConfigurationError(message) from error


def _read_file(path: Path, key: str) -> str:
    try:
        # Opened once, so that the file that is checked is the file that is read.
        with path.open("rb") as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode):
                message = f"{key}: {path} is not a regular file"
                raise ConfigurationError(message)
            _refuse_open_to_others(path, status.st_mode, file.fileno(), key)
            content = file.read(_MAX_BYTES + 1)
    except OSError as error:
        raise explain(error, path=path, setting=key) from error
    if len(content) > _MAX_BYTES:
        message = f"{key}: {path} has more than {_MAX_BYTES:,} bytes; name the file of the secret"
        raise ConfigurationError(message)
    return _decode(content, key)


def _refuse_open_to_others(path: Path, mode: int, descriptor: int, key: str) -> None:
    """Refuse a file that other users of this machine may open.

    The group may read: orchestrators give access to the user of a container that way.
    """
    permissions = stat.S_IMODE(mode)
    is_readable_only = not permissions & (stat.S_IWOTH | stat.S_IWGRP)
    if not permissions & (stat.S_IRWXO | stat.S_IWGRP):
        return
    is_from_container = _is_read_only(descriptor) or _is_projected(path) or _is_mounted(path)
    if is_readable_only and is_from_container:
        return  # mounted for this container, whose users are the only ones
    message = (
        f"{key}: {path} is open to other users; run: chmod 600 {path} - or, if a container "
        "mounts it, set defaultMode: 0400 (Kubernetes) or mode=0400 (podman, Docker)"
    )
    raise ConfigurationError(message)


def _is_read_only(descriptor: int) -> bool:
    """Return whether a file is on a read-only mount, on which no mode can be changed."""
    return bool(os.fstatvfs(descriptor).f_flag & os.ST_RDONLY)


def _is_mounted(path: Path) -> bool:
    """Return whether a file is a mount of its own, or in the folder that podman mounts."""
    if not _MOUNTS.exists():
        return False
    lines = _MOUNTS.read_text("utf-8", "replace").splitlines()
    points = {line.split(" ")[4] for line in lines}  # proc(5) escapes blanks
    resolved = path.resolve()
    is_podmans = resolved.parent == _PODMAN_SECRETS and str(_PODMAN_SECRETS) in points
    return is_podmans or str(resolved).replace(" ", "\\040") in points


def _is_projected(path: Path) -> bool:
    """Return whether Kubernetes keeps a file: a link through ``..data`` to a folder with a date."""
    data = path.parent / "..data"
    return path.is_symlink() and data.is_symlink() and data.resolve() == path.resolve().parent


def _run(command: str, key: str) -> str:
    try:
        arguments = shlex.split(command)
        ran = subprocess.run(  # noqa: S603 - the operator's own command, without a shell
            arguments,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            # Tracing shells and debug output may show the secret.
            stderr=subprocess.DEVNULL,
            timeout=_COMMAND_SECONDS,
            check=True,
        )
    except subprocess.CalledProcessError as error:
        message = (
            f"{key}: the command ended with exit code {error.returncode}; run it in a shell to "
            "see why"
        )
        raise ConfigurationError(message) from None  # its output may contain a part of the secret
    except subprocess.TimeoutExpired:
        message = (
            f"{key}: the command did not end within {_COMMAND_SECONDS} seconds; it must not ask "
            "for input"
        )
        raise ConfigurationError(message) from None
    except (OSError, ValueError, IndexError) as error:
        message = (
            f"{key}: the command cannot be run ({type(error).__name__}); write it as in a shell"
        )
        raise ConfigurationError(message) from error
    return _decode(ran.stdout, key)


def _decode(content: bytes, key: str) -> str:
    try:
        return clean(content.decode())
    except UnicodeDecodeError:
        message = f"{key}: the secret is not UTF-8 text; save it as UTF-8"
        raise ConfigurationError(message) from None
