"""One sentence, without secrets, for an error of DuckDB or of an engine behind it."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import duckdb

from gaussdb_tasks.errors import ConfigurationError, GaussdbTasksError
from gaussdb_tasks.known_secrets import in_one_line
from gaussdb_tasks.os_errors import explain_memory
from gaussdb_tasks.publication.lane import (
    MAX_CAUSE_LENGTH,
    DamagedTargetError,
    PublicationError,
    TransientPublicationError,
)
from gaussdb_tasks.publication.target import PASSWORD

REMEDY_OF_FILES: Final = (
    "if a file is missing or damaged, restore it, run gaussdb-tasks publish --replace, or publish "
    "to another --to"
)
_OF_A_FILE: Final = re.compile(
    r"\.parquet|No such file|Invalid Input Error|TProtocol|know what type|Out of buffer|decompress",
    re.IGNORECASE,
)
_STATEMENT: Final = re.compile(r'Failed to \w+ (?:query|COPY) ".*"\s*: ', re.DOTALL)
_CONNECTION: Final = re.compile(
    r'(?:Failed to attach .*)?Unable to connect to Postgres at ".*": (?=connection to|could not)'
)
_WRONG_SETTINGS: Final = re.compile(
    "authentication failed|no password supplied|permission denied|pg_hba|role .* does not exist"
    "|database .* does not exist|data_path|could not translate host name",
    re.IGNORECASE,
)
_QUOTED: Final = re.compile(r"\"[^\"]*\"|'[^']*'")
_TRANSIENT: Final = re.compile(
    "conflict|could not serialize|deadlock|connection|could not set lock|terminat|starting up"
    "|shutting down|duplicate key",
    re.IGNORECASE,
)


@contextmanager
def one_error(name: str) -> Iterator[None]:
    """Turn errors of DuckDB, and of engines behind it, into one sentence without secrets."""
    try:
        yield
    except duckdb.Error as error:
        of_memory = explain_memory(error)
        if of_memory is not None:
            raise of_memory from error
        kind, cause = explain_engine(error)
        message = f"{name} cannot be read or written: {cause}"
        if kind is ConfigurationError:
            message += f"; check the target, its user and its password ({PASSWORD})"
        elif kind is DamagedTargetError:
            message += f"; {REMEDY_OF_FILES}"
        raise kind(message) from None


def explain_engine(error: duckdb.Error) -> tuple[type[GaussdbTasksError], str]:
    """Return the kind of an error, and its cause in one line."""
    # Statements hold values, and words that a cause has; settings are longer than the cause.
    text = _CONNECTION.sub("", _STATEMENT.sub("", str(error)).partition("\n")[0])
    words = _QUOTED.sub("", text)
    kind: type[GaussdbTasksError] = PublicationError
    if _WRONG_SETTINGS.search(text):
        kind = ConfigurationError
    elif _TRANSIENT.search(words):
        kind = TransientPublicationError
    elif _OF_A_FILE.search(text):
        kind = DamagedTargetError
    return kind, in_one_line(text, MAX_CAUSE_LENGTH)
