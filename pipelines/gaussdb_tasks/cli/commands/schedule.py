"""``gaussdb-tasks schedule``: what a scheduler needs to run the load every night."""

import re
import shutil
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

import click
from click.core import ParameterSource

from gaussdb_tasks.cli.commands.load import command as load_command
from gaussdb_tasks.cli.options import option
from gaussdb_tasks.cli.settings_file import file_in_force, long_name
from gaussdb_tasks.database.files import replacing
from gaussdb_tasks.deployment.schedules import SCHEDULERS, Schedule
from gaussdb_tasks.errors import ConfigurationError

_TIME: Final = re.compile(r"([01]?\d|2[0-3]):([0-5]\d)")
_IN_CONTAINERS: Final = frozenset({"kubernetes", "github-actions"})
_NOT_NIGHTLY: Final = frozenset({"now", "from", "to", "dry-run", "full"})
_SECRET: Final = frozenset({"ping-url"})


def _read_time(_ctx: click.Context, _param: click.Parameter, value: str) -> tuple[int, int]:
    match = _TIME.fullmatch(value)
    if match is None:
        message = f"--at: {value!r} is not a time of day in UTC; write it as 02:17"
        raise ConfigurationError(message)
    return int(match[1]), int(match[2])


@click.command("schedule", context_settings={"ignore_unknown_options": True})
@click.argument("kind", type=click.Choice(tuple(SCHEDULERS)))
@click.argument("load_options", nargs=-1, type=click.UNPROCESSED, metavar="[OPTIONS OF LOAD]")
@option("--at", default="02:17", show_default=True, callback=_read_time, help="Time of day, UTC.")
@option("--user", default="gaussdb-tasks", show_default=True, help="User to run it as.")
@option("--program", metavar="PATH", help="The program. Default: this one.")
@option(
    "--image",
    default="gaussdb-tasks:latest",
    show_default=True,
    help="Container image, for kubernetes and github-actions.",
)
@option(
    "--credentials",
    type=click.Path(path_type=Path),
    default=Path("/etc/gaussdb-tasks"),
    show_default=True,
    metavar="DIRECTORY",
    help="Where os_password, clouds.yaml and environment lie.",
)
@option(
    "--output",
    type=click.Path(file_okay=False, exists=True, path_type=Path),
    metavar="DIRECTORY",
    help="Write the files there. Default: to stdout.",
)
@click.pass_context
def command(  # noqa: PLR0913 - one parameter an option
    ctx: click.Context,
    *,
    kind: str,
    load_options: tuple[str, ...],
    at: tuple[int, int],
    user: str,
    program: str | None,
    image: str,
    credentials: Path,
    output: Path | None,
) -> None:
    """Print what a scheduler needs to run the load every night.

    For systemd a service and its timer, for cron a line, for Kubernetes a CronJob with its volume,
    for GitHub Actions a workflow, for Airflow a DAG. Options of load go into it as they are given
    here, or by variables; secrets never do.

    \b
    Examples:
      gaussdb-tasks schedule systemd --os-cloud otc-prod --data-dir /srv/gaussdb-tasks
      gaussdb-tasks schedule kubernetes --all-projects --image registry.example/gaussdb-tasks:1
    """
    usual_data_dir = Path("/data") if kind in _IN_CONTAINERS else None
    file = file_in_force(ctx)
    given = list(load_options) if file is None else ["--config", str(file), *load_options]
    with load_command.make_context("load", given, parent=ctx.parent) as inner:
        data_dir = _data_dir(inner, usual_data_dir)
        arguments = ["load", *_words(inner, data_dir)]
    schedule = Schedule(
        program=_program(program, kind),
        arguments=arguments,
        data_dir=data_dir,
        hour=at[0],
        minute=at[1],
        user=user,
        image=image,
        credentials=credentials,
    )
    _write(SCHEDULERS[kind](schedule), output)


def _data_dir(load: click.Context, usual: Path | None) -> Path:
    is_given = load.get_parameter_source("data_dir") is not ParameterSource.DEFAULT
    path: Path = load.params["data_dir"]
    return path.absolute() if is_given or usual is None else usual


def _words(load: click.Context, data_dir: Path) -> Iterator[str]:
    """Yield the load's options as words, as far as they are not the default."""
    yield from ("--data-dir", str(data_dir))
    file = file_in_force(load)
    if file is not None:
        yield from ("--config", str(file.absolute()))
    for param in load.command.params:
        if not isinstance(param, click.Option) or param.name in {None, "data_dir"}:
            continue
        name = long_name(param)
        source = load.get_parameter_source(str(param.name))
        value = load.params.get(str(param.name))
        is_said = source in {ParameterSource.COMMANDLINE, ParameterSource.ENVIRONMENT}
        if not is_said or value is None or value is False or value == ():
            continue
        if name in _SECRET:
            variable = param.envvar
            message = (
                f"--{name} is a secret, and what a scheduler runs shows its arguments; put it into "
                f"a file and name that in {variable}_FILE"
            )
            raise ConfigurationError(message)
        if name in _NOT_NIGHTLY:
            message = f"--{name} is not for every night; leave it out"
            raise ConfigurationError(message)
        if param.is_flag:
            yield f"--{name}"
            continue
        for each in value if isinstance(value, tuple) else (value,):
            yield from (f"--{name}", _text(name, each))


def _text(name: str, value: object) -> str:
    if name == "umask" and isinstance(value, int):
        return f"{value:03o}"
    return str(value.absolute()) if isinstance(value, Path) else str(value)


def _program(given: str | None, kind: str) -> str:
    if given is not None:
        return given
    if kind in _IN_CONTAINERS:
        return "gaussdb-tasks"
    called = Path(sys.argv[0])
    found = str(called.absolute()) if called.is_file() else shutil.which("gaussdb-tasks")
    return found or "/opt/gaussdb-tasks/bin/gaussdb-tasks"


def _write(files: Mapping[str, str], folder: Path | None) -> None:
    for name, content in files.items():
        if folder is None:
            header = f"# {name}\n" if len(files) > 1 else ""
            click.echo(header + content)
            continue
        with replacing(folder / name) as file:
            file.write(content.encode())
        click.echo(f"wrote {folder / name}", err=True)
