"""What the shell completes: kinds of task, statuses, clouds, views and questions.

A completion reads files at most: it makes no call, and shows no message.
"""

import os
import sys
from collections.abc import Callable, Mapping
from contextlib import redirect_stderr
from pathlib import Path
from typing import Any, Final, NoReturn

import click
from click.shell_completion import CompletionItem

from gaussdb_tasks.foreign_text import visible

VARIABLE: Final = "_GAUSSDB_TASKS_COMPLETE"
"""Variable with which a shell asks for completions; click reads it."""


class Suggested(click.types.StringParamType):
    """A text with suggestions for the shell; other texts are valid, too.

    Args:
        find: returns the suggestions, each with its help; called only for a completion.
    """

    def __init__(self, find: Callable[[], Mapping[str, str]]) -> None:
        self._find = find

    def shell_complete(
        self,
        ctx: click.Context,  # noqa: ARG002 - click's signature
        param: click.Parameter,  # noqa: ARG002
        incomplete: str,
    ) -> list[CompletionItem]:
        """Return the suggestions that begin with a text."""
        return items(self._find(), incomplete)


class Documented(Suggested):
    """A text for which documented values are suggested; their case is corrected."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the text, spelled as the documentation does."""
        text = super().convert(value, param, ctx)
        return next((each for each in self._find() if each.lower() == text.lower()), text)


def items(found: Mapping[str, str], incomplete: str) -> "list[CompletionItem]":
    """Return the values that begin with a text, in any case, each with its help.

    Values that a shell cannot take as one visible word are left out.
    """
    return [
        CompletionItem(value, help=visible(meaning))
        for value, meaning in found.items()
        if value.lower().startswith(incomplete.lower()) and _is_word(value)
    ]


def _is_word(text: str) -> bool:
    return text == visible(text) and not any(map(str.isspace, text))


def clouds() -> Mapping[str, str]:
    """Return the clouds of ``clouds.yaml``."""
    from gaussdb_tasks.api.auth.cloud_files import cloud_names  # noqa: PLC0415 - reads YAML

    return dict.fromkeys(cloud_names(), "cloud of clouds.yaml")


def query_names() -> Mapping[str, str]:
    """Return the views and the saved questions."""
    from gaussdb_tasks.database.saved_questions import saved_questions  # noqa: PLC0415 - reads SQL
    from gaussdb_tasks.database.sql_files import view_files  # noqa: PLC0415 - likewise

    questions = {question.name: question.meaning for question in saved_questions()}
    return {**{file.name: "view" for file in view_files()}, **questions}


def answer(group: click.Group) -> NoReturn:
    """Answer the shell's request for completions, and exit; an error gives no completion."""
    with Path(os.devnull).open("w") as nowhere, redirect_stderr(nowhere):
        try:
            group.main(prog_name="gaussdb-tasks", complete_var=VARIABLE, standalone_mode=False)
        except Exception:  # noqa: BLE001 - a message in the middle of a line that is typed
            sys.exit(1)
    sys.exit(1)
