"""``gaussdb-tasks schedule``: files for a scheduler that runs the load every night."""

import os
import re
import shutil
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Final

import click
from click.core import ParameterSource

from gaussdb_tasks.api.auth.sign_in import refuse_contradiction
from gaussdb_tasks.cli import console
from gaussdb_tasks.cli.commands.load import command as load_command
from gaussdb_tasks.cli.options import option
from gaussdb_tasks.cli.settings_file import (
    long_name,
    settings_file_in_use,
    with_settings_file,
)
from gaussdb_tasks.database.data_dir import refuse_own_path
from gaussdb_tasks.database.files import replacing
from gaussdb_tasks.deployment.schedule_warnings import schedule_warnings
from gaussdb_tasks.deployment.schedules import SCHEDULERS, Schedule
from gaussdb_tasks.errors import ConfigurationError
from gaussdb_tasks.masking import mask_url_credentials
from gaussdb_tasks.model.shard import MAX_SHARDS, Shard
from gaussdb_tasks.publication.target import absolute_url, parse_target
from gaussdb_tasks.settings import AccessRequest

_TIME: Final = re.compile(r"([01]?\d|2[0-3]):([0-5]\d)")
_IN_CONTAINERS: Final = frozenset({"kubernetes", "github-actions"})
_NOT_SCHEDULED: Final = frozenset({"now", "from", "to", "dry-run", "full"})
_MINUTES_TO_PUBLISH: Final = 180
"""Time of a load after --max-minutes: it checks, publishes and copies the archive."""

_SECRET: Final = frozenset({"ping-url"})
_PUBLISHED: Final = frozenset({"publish-to", "publish-data-path"})
"""A target, and the place of a lake's files, which is a folder or a bucket as a target can be."""


def _read_time(_ctx: click.Context, _param: click.Parameter, value: str) -> tuple[int, int]:
    match = _TIME.fullmatch(value)
    if match is None:
        message = f"--at: {value!r} is not a time of day in UTC; write it like 02:17"
        raise ConfigurationError(message)
    return int(match[1]), int(match[2])


@click.command("schedule", context_settings={"ignore_unknown_options": True})
@click.argument("kind", type=click.Choice(tuple(SCHEDULERS)))
@click.argument("load_options", nargs=-1, type=click.UNPROCESSED, metavar="[OPTIONS OF LOAD]")
@option("--at", default="02:17", callback=_read_time, help="Time of day, UTC.")
@option("--user", default="gaussdb-tasks", help="User that runs the load.")
@option("--program", metavar="PATH", help="Path of the program. Default: this program.")
@option(
    "--image",
    default="gaussdb-tasks:latest",
    help="Container image, for kubernetes and github-actions.",
)
@option(
    "--shards",
    type=click.IntRange(1, MAX_SHARDS),
    metavar="N",
    help="With kubernetes and --all-projects: share the projects among N loads, all at once.",
)
@option(
    "--credentials",
    type=click.Path(path_type=Path),
    default=Path("/etc/gaussdb-tasks"),
    metavar="DIRECTORY",
    help="Directory of clouds.yaml, environment and secrets such as os_password.",
)
@option(
    "--output",
    "folder",
    type=click.Path(file_okay=False, exists=True, path_type=Path),
    metavar="DIRECTORY",
    help="Write the files to this directory. Default: stdout.",
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
    shards: int | None,
    credentials: Path,
    folder: Path | None,
) -> None:
    """Print the files that a scheduler needs for a nightly load.

    systemd: a service and a timer. cron: a line. Kubernetes: a CronJob and its volume. GitHub
    Actions: a workflow. Airflow: a DAG. Options of load, given here or as variables, are added to
    the command. Secrets are refused. Paths that the load cannot use are named on stderr.

    \b
    Examples:
      gaussdb-tasks schedule systemd --os-cloud otc-prod --data-dir /srv/gaussdb-tasks
      gaussdb-tasks schedule kubernetes --all-projects --image registry.example/gaussdb-tasks:1
      gaussdb-tasks schedule kubernetes --all-projects --shards 5

    \b
    Exit codes: 0 done; 2 usage or configuration error.
    """
    if folder is not None:
        refuse_own_path(folder, "--output")
    is_elsewhere = kind in _IN_CONTAINERS
    given = with_settings_file(ctx, load_options)
    with load_command.make_context("load", given, parent=ctx.parent) as load:
        _refuse_unusable(load, kind, shards)
        data_dir = _data_dir(load, is_elsewhere=is_elsewhere)
        if shards is not None:
            _refuse_target_of_each_shard(load, data_dir)
        schedule = Schedule(
            program=_program(program, is_elsewhere=is_elsewhere),
            arguments=["load", *_arguments(load, data_dir, is_elsewhere=is_elsewhere)],
            data_dir=data_dir,
            hour=at[0],
            minute=at[1],
            user=user,
            image=image,
            credentials=credentials.absolute(),
            timeout_minutes=load.params["max_minutes"] + _MINUTES_TO_PUBLISH,
            reads=list(_files_to_read(load, is_elsewhere=is_elsewhere)),
            writes=list(_folders_to_write(load, data_dir)),
            shards=shards,
        )
    for warning in schedule_warnings(kind, schedule):
        console.warn(f"warning: {warning}")
    _write(SCHEDULERS[kind](schedule), folder)


def _refuse_unusable(load: click.Context, kind: str, shards: int | None) -> None:
    """Refuse options that each scheduled load would refuse."""
    metrics_file: Path | None = load.params["metrics_file"]
    if metrics_file is not None:
        refuse_own_path(metrics_file, "--metrics-file")
    shard: Shard | None = load.params["shard"]
    if shards is not None:
        if kind != "kubernetes":
            message = f"--shards is for kubernetes; schedule each load of {kind} with --shard I/N"
            raise ConfigurationError(message)
        if shard is not None:
            message = "--shard and --shards contradict each other; give one of them"
            raise ConfigurationError(message)
        shard = Shard(1, shards)
    given = {field.name: load.params[field.name] for field in fields(AccessRequest)}
    refuse_contradiction(AccessRequest(**{**given, "shard": shard}))


def _refuse_target_of_each_shard(load: click.Context, data_dir: Path) -> None:
    """Refuse a target in the data directory, which is another folder for each shard."""
    for folder in _published_folders(load):
        if folder.is_relative_to(data_dir):
            message = (
                f"--publish-to: {folder} is in {data_dir}, which is a folder of its own for each "
                "shard, so each would publish to another place; name a server, a bucket, or a "
                "folder that all shards mount"
            )
            raise ConfigurationError(message)


def _data_dir(load: click.Context, *, is_elsewhere: bool) -> Path:
    is_default = load.get_parameter_source("data_dir") is ParameterSource.DEFAULT
    path: Path = load.params["data_dir"]
    return Path("/data") if is_default and is_elsewhere else path.absolute()


def _arguments(load: click.Context, data_dir: Path, *, is_elsewhere: bool) -> Iterator[str]:
    """Yield the load's options that are given here or as variables.

    A container does not have the settings file, so its values become options too.
    """
    yield from ("--data-dir", str(data_dir))
    sources = {ParameterSource.COMMANDLINE, ParameterSource.ENVIRONMENT}
    file = settings_file_in_use(load)
    if is_elsewhere:
        sources.add(ParameterSource.DEFAULT_MAP)
    elif file is not None:
        yield from ("--config", str(file.absolute()))
    for param in load.command.params:
        if isinstance(param, click.Option) and param.name not in {None, "data_dir"}:
            value = load.params.get(str(param.name))
            is_given = load.get_parameter_source(str(param.name)) in sources
            if is_given and not (value is None or value is False or value == ()):
                yield from _option_arguments(param, value)


def _option_arguments(param: click.Option, value: object) -> Iterator[str]:
    """Yield one option as arguments.

    Raises:
        ConfigurationError: it is a secret, or cannot be scheduled.
    """
    name = long_name(param)
    if name in _NOT_SCHEDULED:
        message = f"--{name} cannot be scheduled; remove it"
        raise ConfigurationError(message)
    if param.is_flag:
        yield f"--{name}"
        return
    for each in value if isinstance(value, tuple) else (value,):
        text = _text(name, each)
        _refuse_secret(param, text)
        yield from (f"--{name}", text)


def _refuse_secret(param: click.Option, text: str) -> None:
    """Refuse secrets as arguments: schedulers show the arguments of commands."""
    name = long_name(param)
    if name in _SECRET:
        message = (
            f"--{name} is a secret, and schedulers show the arguments of a command; put it into a "
            f"file and set {param.envvar}_FILE to the name of that file"
        )
        raise ConfigurationError(message)
    # The URL of a target was checked: it has no password, but it may have a user.
    if name not in _PUBLISHED and mask_url_credentials(text) != text:
        message = (
            f"--{name} contains credentials, and schedulers show the arguments of a command; set "
            f"{param.envvar} in the scheduled load's environment instead"
        )
        raise ConfigurationError(message)


def _text(name: str, value: object) -> str:
    if name == "archive-url":
        return str(_local_folder(str(value)) or value)
    if name in _PUBLISHED:
        return absolute_url(str(value))
    return str(value.absolute()) if isinstance(value, Path) else str(value)


def _files_to_read(load: click.Context, *, is_elsewhere: bool) -> Iterator[Path]:
    """Yield the files that the load's options name, also those of the settings file."""
    file = None if is_elsewhere else settings_file_in_use(load)
    for path in (file, load.params["signing_key"]):
        if path is not None:
            yield path.absolute()


def _folders_to_write(load: click.Context, data_dir: Path) -> Iterator[Path]:
    """Yield the folders that the load writes to, by its options and the settings file."""
    yield data_dir
    metrics_file, archive_url = load.params["metrics_file"], load.params["archive_url"]
    if metrics_file is not None:
        yield metrics_file.absolute().parent  # the file is replaced, not written again
    folder = None if archive_url is None else _local_folder(archive_url)
    if folder is not None:
        yield folder
    yield from _published_folders(load)


def _published_folders(load: click.Context) -> Sequence[Path]:
    """Return the folders of the target that the load publishes to."""
    publish_to = load.params["publish_to"]
    if publish_to is None:
        return ()
    return parse_target(publish_to, load.params["publish_data_path"]).folders


def _local_folder(url: str) -> Path | None:
    """Return the folder of a path or of a ``file://`` URL; None for a store elsewhere."""
    from fsspec.implementations.local import LocalFileSystem  # noqa: PLC0415 - as in mirror.remote
    from fsspec.utils import get_protocol  # noqa: PLC0415

    if get_protocol(url) not in LocalFileSystem.protocol:
        return None
    return Path(LocalFileSystem._strip_protocol(url))  # noqa: SLF001 - its documented hook


def _program(given: str | None, *, is_elsewhere: bool) -> str:
    if given is not None:
        return given
    if is_elsewhere:
        return "gaussdb-tasks"
    called = Path(sys.argv[0])
    is_program = called.is_file() and os.access(called, os.X_OK)  # not so: python -m gaussdb_tasks
    found = str(called.absolute()) if is_program else shutil.which("gaussdb-tasks")
    return found or "/opt/gaussdb-tasks/bin/gaussdb-tasks"


def _write(files: Mapping[str, str], folder: Path | None) -> None:
    for name, content in files.items():
        if folder is None:
            header = [f"# {name}"] if len(files) > 1 else []
            console.write_lines([*header, *content.split("\n")])
            continue
        with replacing(folder / name) as file:
            file.write(content.encode())
        console.plain(f"wrote {folder / name}")
