"""``gaussdb-tasks verify``: the archive's chain, and the database against it."""

import sys
from dataclasses import astuple
from itertools import groupby
from pathlib import Path
from typing import Any, Final

import click

from gaussdb_tasks.archive.findings import Finding, Verification
from gaussdb_tasks.archive.signing import PublicKeys
from gaussdb_tasks.archive.verify import verify, verify_copy
from gaussdb_tasks.archive.verify_files import Demands
from gaussdb_tasks.cli import console, output
from gaussdb_tasks.cli.options import data_dir_option, format_option, option
from gaussdb_tasks.database.data_dir import DataDir
from gaussdb_tasks.errors import ConfigurationError, ExitCode

_NAMES: Final = ("fault", "where", "detail", "entry", "task", "column")
_HASH_LENGTH: Final = 64


def _read_hash(_ctx: click.Context, _param: click.Parameter, value: str | None) -> str | None:
    if value is None:
        return None
    digest = value.strip().lower()
    if len(digest) != _HASH_LENGTH or set(digest) - set("0123456789abcdef"):
        message = (
            f"--expect-head: {value!r} is no digest; it has 64 hexadecimal digits, as `load` and "
            "`status` print it"
        )
        raise ConfigurationError(message)
    return digest


@click.command("verify")
@data_dir_option
@option("--fast", is_flag=True, help="Look at digests, sizes and counts only; takes seconds.")
@option(
    "--expect-head",
    metavar="HASH",
    callback=_read_hash,
    help="A head that was noted elsewhere; it must be in the chain.",
)
@option(
    "--public-key",
    "public_keys",
    multiple=True,
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="Check signatures with this Ed25519 key in PEM; repeatable.",
)
@option(
    "--archive",
    "archive_path",
    metavar="DIRECTORY",
    type=click.Path(path_type=Path),
    help="Verify this archive, a copy without a database.",
)
@format_option("table", "json", default="table", variable="VERIFY_FORMAT")
def command(  # noqa: PLR0913 - one parameter an option
    *,
    data_dir: Path,
    fast: bool,
    expect_head: str | None,
    public_keys: tuple[Path, ...],
    archive_path: Path | None,
    output_format: str,
) -> None:
    """Check the archive's chain of digests, and the database against it.

    Reads every byte of the archive and every row of the database, and lists all that is not as it
    was: which night, which task, which column. Loads and readers are not disturbed.

    \b
    Examples:
      gaussdb-tasks verify
      gaussdb-tasks verify --fast --format json
      gaussdb-tasks verify --expect-head 3f2a... --public-key audit.pem
    Exit codes: 0 whole; 1 findings.
    """
    keys = PublicKeys(public_keys) if public_keys else None
    demands = Demands(is_fast=fast, expected_head=expect_head, keys=keys)
    if archive_path is None:
        found = verify(DataDir(data_dir), demands)
    else:
        found = verify_copy(archive_path, demands)
    if output_format == "json":
        _write_json(found, demands)
    elif found.findings:
        output.write_rows(_NAMES, map(_row, found.findings), output.Target(output_format))
    _tell(found, demands)
    sys.exit(ExitCode.DONE if found.is_whole else ExitCode.FAILED)


def _row(finding: Finding) -> tuple[Any, ...]:
    return tuple(None if value is None else str(value) for value in astuple(finding))


def _tell(found: Verification, demands: Demands) -> None:
    for act, files in groupby(found.removals, key=lambda removal: removal.act):
        gone = [removal.file for removal in files]
        console.info(
            f"removed on purpose by {act.entry.name} ({act.digest.reason or 'no reason given'}): "
            f"{sum(file.rows_removed for file in gone):,} rows removed, "
            f"{sum(file.rows_changed for file in gone):,} changed, {len(gone):,} files written anew"
        )
    for note in found.notes:
        console.info(f"note: {note}")
    if demands.is_fast:
        console.info(
            "note: the bytes of segments and the rows of the database were not read; verify "
            "without --fast reads them"
        )
    if not demands.keys and any(link.digest.signed_by for link in found.chain):
        console.info("note: signatures were not checked; give --public-key")
    if found.is_whole:
        last = found.chain[-1]
        console.info(f"whole: {len(found.chain):,} entries, head {last.sha256} ({last.entry.name})")
    else:
        console.info(f"not whole: {len(found.findings):,} findings")


def _write_json(found: Verification, demands: Demands) -> None:
    last = found.chain[-1] if found.chain else None
    value = {
        "is_whole": found.is_whole,
        "level": "fast" if demands.is_fast else "full",
        "entry_count": len(found.chain),
        "head": None if last is None else last.sha256,
        "findings": [dict(zip(_NAMES, _row(each), strict=True)) for each in found.findings],
        "removed": [
            {
                "entry": each.file.entry,
                "file": each.file.file,
                "kind": each.act.digest.kind,
                "at": each.act.digest.at,
                "reason": each.act.digest.reason,
                "rows_removed": each.file.rows_removed,
                "rows_changed": each.file.rows_changed,
            }
            for each in found.removals
        ],
        "notes": found.notes,
    }
    output.write_json(value)
