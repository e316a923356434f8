"""Write the pages for ``man`` from the help of the commands, for ``make man``."""

import re
import sys
from inspect import cleandoc
from pathlib import Path

import click
from click_man.man import ManPage

from gaussdb_tasks.cli.group import LazyGroup
from gaussdb_tasks.version import VERSION
from tests.support.commands import contexts


def write_pages(folder: Path) -> None:
    """Write a page for each command, such as ``gaussdb-tasks-query.1``."""
    folder.mkdir(parents=True, exist_ok=True)
    for context in contexts():
        name = context.command_path.replace(" ", "-")
        (folder / f"{name}.1").write_text(_page(context), encoding="utf-8")


def _page(context: click.Context) -> str:
    command = context.command
    page = ManPage(context.command_path)
    page.version = VERSION
    help_text = cleandoc(command.help or "")
    page.short_help = _escaped(help_text.partition("\n")[0])
    page.synopsis = " ".join(command.collect_usage_pieces(context))
    page.description = _description(help_text)
    records = [param.get_help_record(context) for param in command.get_params(context)]
    page.options = [(name, _escaped(text)) for name, text in filter(None, records)]
    if isinstance(command, LazyGroup):
        page.commands = [(each.name, _escaped(each.short_help)) for each in command.subcommands]
    return str(page)


def _description(help_text: str) -> str:
    """Return the help as roff; paragraphs that click leaves as they are keep their lines."""
    parts = (
        f".nf\n{_escaped(part.removeprefix(chr(8)).strip(chr(10)))}\n.fi"
        if part.startswith("\b")
        else _escaped(part)
        for part in help_text.split("\n\n")
    )
    return "\n\n".join(parts)


def _escaped(text: str) -> str:
    """Escape what roff would read as a command, and dashes, which would become hyphens."""
    plain = text.replace("\\", r"\e").replace("-", r"\-").replace("...", r".\|.\|.")
    return re.sub(r"^(?=[.'])", r"\\&", plain, flags=re.MULTILINE)


if __name__ == "__main__":
    write_pages(Path(sys.argv[1]))
