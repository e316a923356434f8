"""Parse the URL of ``--to``: where the archive is published, without a secret in it."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Final, TypeAlias
from urllib.parse import parse_qsl, unquote, urlsplit

from gaussdb_tasks.errors import ConfigurationError
from gaussdb_tasks.known_secrets import mask, remember, remember_url_credentials

PASSWORD: Final = "GAUSSDB_TASKS_PUBLISH_PASSWORD"  # noqa: S105 - the name of a variable
"""The variable with the password of the PostgreSQL user; also with _FILE and _COMMAND."""

_SCHEMES: Final = ("postgresql://", "postgres://")
_KEYWORD: Final = re.compile(r"\s*(\w+)\s*=\s*(?:'((?:[^'\\]|\\.)*)'|([^\s']+))(?=\s|$)")
_SCHEME: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")
_SECRET_PARAMETERS: Final = frozenset({"password", "sslpassword"})
# A server that is silent, or a reader that keeps a table locked, must not stop a night for ever.
_LIMITS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "connect_timeout": "15",
        "keepalives_idle": "60",
        "tcp_user_timeout": "120000",
        "options": "-c lock_timeout=120s",
    }
)
_FORMS: Final = (
    "a target is postgresql://HOST/DATABASE, ducklake:postgresql://HOST/DATABASE, ducklake:FILE, "
    "a folder or s3://BUCKET/PREFIX"
)


@dataclass(frozen=True, slots=True)
class PostgresServer:
    """A database of a PostgreSQL server, and how libpq connects to it; the password is elsewhere.

    Attributes:
        parameters: names and values of libpq.
    """

    parameters: tuple[tuple[str, str], ...]

    @property
    def name(self) -> str:
        """The database as a URL that is safe to show."""
        given = dict(self.parameters)
        host, port = given.get("host", ""), given.get("port")
        if host.startswith("/"):  # the folder of a socket
            return f"postgresql:///{given.get('dbname', '')}"
        return f"postgresql://{host}{f':{port}' if port else ''}/{given.get('dbname', '')}"

    @property
    def conninfo(self) -> str:
        """The connection string of libpq, with limits where the URL has none."""
        quoted = (
            (name, value.replace("\\", "\\\\").replace("'", "\\'"))
            for name, value in {**_LIMITS, **dict(self.parameters)}.items()
        )
        return " ".join(f"{name}='{value}'" for name, value in quoted)


class _Place:
    """Where on this machine a publication writes."""

    __slots__ = ()

    @property
    def folders(self) -> tuple[Path, ...]:
        """The folders that a publication writes to."""
        return ()

    @property
    def files(self) -> tuple[Path, ...]:
        """The files that a publication writes beside its folders."""
        return ()


@dataclass(frozen=True, slots=True)
class PostgresTarget(_Place):
    """A PostgreSQL database that gets the tables and the views."""

    server: PostgresServer

    @property
    def name(self) -> str:
        """The target as a URL that is safe to show."""
        return self.server.name


@dataclass(frozen=True, slots=True)
class DuckLakeTarget(_Place):
    """A DuckLake: its catalogue in PostgreSQL or in a file, its data in a folder or bucket.

    Attributes:
        data_path: where the data files are; None for the one that the catalogue has.
    """

    catalogue: PostgresServer | Path
    data_path: str | None

    @property
    def name(self) -> str:
        """The target as a URL that is safe to show."""
        catalogue = self.catalogue
        return f"ducklake:{catalogue if isinstance(catalogue, Path) else catalogue.name}"

    @property
    def folders(self) -> tuple[Path, ...]:
        """The folders of the catalogue and of the data files."""
        data = self.data_path
        found = [catalogue.parent for catalogue in self.files]
        return tuple(found if data is None or is_bucket(data) else [*found, Path(data)])

    @property
    def files(self) -> tuple[Path, ...]:
        """The catalogue, if it is a file."""
        return (self.catalogue,) if isinstance(self.catalogue, Path) else ()


@dataclass(frozen=True, slots=True)
class DeltaTarget(_Place):
    """A folder, or a prefix in a bucket, with a Delta table for each table."""

    name: str

    @property
    def folders(self) -> tuple[Path, ...]:
        """The folder of the tables."""
        return () if is_bucket(self.name) else (Path(self.name),)


def is_bucket(files: str) -> bool:
    """Return whether files are in a bucket, not in a folder."""
    return "://" in files


Target: TypeAlias = PostgresTarget | DuckLakeTarget | DeltaTarget


def parse_target(url: str, data_path: str | None = None, *, option: str = "--to") -> Target:
    """Return the target that a URL names.

    Args:
        url: PostgreSQL, DuckLake or a folder.
        data_path: the folder or bucket of DuckLake's data files.
        option: the option that gave the URL, for messages.

    Raises:
        ConfigurationError: it names no target, or it has a password.
    """
    if url.startswith("ducklake:"):
        return _ducklake(url.removeprefix("ducklake:"), data_path, option)
    if data_path is not None:
        message = "--data-path is for the data files of a ducklake: target; remove it"
        raise ConfigurationError(message)
    if url.startswith(_SCHEMES):
        return PostgresTarget(_server(url, option))
    return DeltaTarget(_files(url, option))


def check_url(url: str, *, option: str) -> None:
    """Check that a URL names a target; the place of its data files may be given separately.

    Raises:
        ConfigurationError: as for ``parse_target``.
    """
    parse_target(url, option=option)


def absolute_url(url: str) -> str:
    """Return a URL that names the same target from any folder of this machine."""
    target = parse_target(url)
    if isinstance(target, DuckLakeTarget) and isinstance(target.catalogue, Path):
        return target.name
    return target.name if isinstance(target, DeltaTarget) else url


def _ducklake(rest: str, data_path: str | None, option: str) -> DuckLakeTarget:
    files = None if data_path is None else _files(data_path, "--data-path")
    if rest.startswith(_SCHEMES):
        return DuckLakeTarget(_server(rest, option), files)
    if rest.startswith("postgres:"):  # as DuckLake writes it
        return DuckLakeTarget(_server(rest.removeprefix("postgres:"), option), files)
    if not rest or ":" in rest.partition("/")[0]:
        # Not repeated: it may hold a password.
        message = f"{option}: after ducklake: there is no catalogue that is supported; {_FORMS}"
        raise ConfigurationError(message)
    return DuckLakeTarget(Path(rest).expanduser().absolute(), files)


def _files(url: str, option: str) -> str:
    """Return a folder as an absolute path, or the URL of a bucket."""
    remember_url_credentials(url)
    if url.startswith("s3://"):
        if "@" in url or "?" in url:
            message = f"{option}: write s3://BUCKET/PREFIX; keys belong in AWS_* or ~/.aws"
            raise ConfigurationError(message)
        if not url.removeprefix("s3://").partition("/")[0]:
            message = f"{option}: the bucket is missing: s3://BUCKET/PREFIX"
            raise ConfigurationError(message)
        return url.rstrip("/")
    if not url or _SCHEME.match(url):
        message = f"{option}: {mask(url) or 'it'} cannot be published to; {_FORMS}"
        raise ConfigurationError(message)
    return str(Path(url).expanduser().absolute())


def _server(text: str, option: str) -> PostgresServer:
    found = _from_url(text, option) if text.startswith(_SCHEMES) else _from_keywords(text, option)
    parameters = {name.lower(): value for name, value in found.items() if value}
    for name in sorted(_SECRET_PARAMETERS & parameters.keys()):
        remember(parameters[name])
        message = (
            f"{option}: remove the password from the URL, which others can see; put it in "
            f"{PASSWORD}, {PASSWORD}_FILE or {PASSWORD}_COMMAND"
        )
        raise ConfigurationError(message)
    if "dbname" not in parameters and "service" not in parameters:
        message = f"{option}: the database is missing: postgresql://HOST/DATABASE"
        raise ConfigurationError(message)
    return PostgresServer(tuple(sorted(parameters.items())))


def _from_url(url: str, option: str) -> dict[str, str]:
    remember_url_credentials(url)
    parts = urlsplit(url)
    try:
        port = parts.port
    except ValueError:
        message = f"{option}: the port is not a number: postgresql://HOST:PORT/DATABASE"
        raise ConfigurationError(message) from None
    return {
        "host": unquote(parts.hostname or ""),
        "port": "" if port is None else str(port),
        "user": unquote(parts.username or ""),
        "password": unquote(parts.password or ""),
        "dbname": unquote(parts.path.removeprefix("/")),
        **dict(parse_qsl(parts.query)),
    }


def _from_keywords(text: str, option: str) -> dict[str, str]:
    found, end = {}, 0
    while match := _KEYWORD.match(text, end):
        found[match[1]] = re.sub(r"\\(.)", r"\1", match[2]) if match[3] is None else match[3]
        end = match.end()
    if text[end:].strip() or not found:
        message = f"{option}: ducklake:postgres: is followed by NAME=VALUE ... of libpq; {_FORMS}"
        raise ConfigurationError(message)
    return found
