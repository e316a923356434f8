"""Read the saved questions: named SELECTs, one in each file of ``sql/examples/``."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from gaussdb_tasks.database.sql_files import SqlFile, SqlFileError, example_files

_HEAD: Final = re.compile(
    r"-- (?P<meaning>\S.*\?)\n(?:-- theme: .+\n)?(?P<parameters>(?:-- set .+\n)*)"
)
_PARAMETER: Final = re.compile(r"-- set (?P<name>[a-z_]+): (?P<meaning>\S.*)")


@dataclass(frozen=True, slots=True)
class SavedQuestion:
    """A question in words, its theme, its SELECT, and its parameters with their meanings.

    Parameters are variables of DuckDB; the SQL has a default for each.
    """

    name: str
    meaning: str
    theme: str
    parameters: Mapping[str, str]
    sql: str


def saved_questions() -> tuple[SavedQuestion, ...]:
    """Read all saved questions, in order of their names.

    Raises:
        SqlFileError: a file does not begin with its question.
    """
    return tuple(map(_read, example_files()))


def _read(file: SqlFile) -> SavedQuestion:
    head = _HEAD.match(file.text)
    if head is None:
        message = f"{file.name}.sql does not begin with its question, as in: -- What failed?"
        raise SqlFileError(message)
    parameters = {
        match["name"]: match["meaning"] for match in _PARAMETER.finditer(head["parameters"])
    }
    sql = file.text[head.end() :].strip()
    return SavedQuestion(file.name, head["meaning"], file.theme, MappingProxyType(parameters), sql)
