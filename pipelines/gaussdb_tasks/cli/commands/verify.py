"""``gaussdb-tasks verify``: check the archive's chain, and the database against it."""

import re
import sys
from dataclasses import asdict, astuple
from pathlib import Path
from typing import Final

import click

from gaussdb_tasks.archive.signing import read_public_keys
from gaussdb_tasks.archive.timestamp_trust import TimestampTrust
from gaussdb_tasks.archive.verification.findings import (
    AmendmentAccount,
    Fault,
    Finding,
    Verification,
)
from gaussdb_tasks.archive.verification.verify import verify
from gaussdb_tasks.archive.verification.verify_files import VerifyOptions
from gaussdb_tasks.cli import console, output
from gaussdb_tasks.cli.data_dir_options import data_dir_option
from gaussdb_tasks.cli.options import format_option, option
from gaussdb_tasks.cli.url_options import COPY, PUBLICATION
from gaussdb_tasks.database.data_dir import DataDir
from gaussdb_tasks.errors import ConfigurationError, ExitCode
from gaussdb_tasks.foreign_text import shortened
from gaussdb_tasks.model.times import iso

_NAMES: Final = ("fault", "where", "detail", "entry", "task", "column")
_HASH: Final = re.compile("[0-9a-f]{64}")


def _read_hash(_ctx: click.Context, _param: click.Parameter, value: str | None) -> str | None:
    if value is None:
        return None
    digest = value.strip().lower()
    if not _HASH.fullmatch(digest):
        message = (
            f"--expect-head: {value!r} is not a digest; use the 64 hexadecimal digits that `load` "
            "and `status` print"
        )
        raise ConfigurationError(message)
    return digest


@click.command("verify")
@data_dir_option
@option("--fast", is_flag=True, help="Check digests, sizes and counts only; takes seconds.")
@option(
    "--expect-head",
    metavar="HASH",
    callback=_read_hash,
    help="A head from an earlier load; it must be in the chain.",
)
@option(
    "--public-key",
    "public_keys",
    multiple=True,
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="Trust this Ed25519 public key in PEM, and the keys that it hands over to; repeatable.",
)
@option(
    "--timestamp-ca",
    "timestamp_cas",
    multiple=True,
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="Check time stamps with this root certificate in PEM; repeatable.",
)
@option(
    "--archive",
    "archive_url",
    type=COPY,
    help="Verify this copy in a directory or s3://bucket/prefix, and compare it with the archive.",
)
@option(
    "--published",
    "published_url",
    type=PUBLICATION,
    help="Compare what `publish --to` this URL brought there with the archive, row by row.",
)
@format_option("table", "json", default="table", variable="VERIFY_FORMAT")
def command(  # noqa: PLR0913 - one parameter per option
    *,
    data_dir: Path,
    fast: bool,
    expect_head: str | None,
    public_keys: tuple[Path, ...],
    timestamp_cas: tuple[Path, ...],
    archive_url: str | None,
    published_url: str | None,
    output_format: str,
) -> None:
    """Check the archive's chain of digests, and the database against it.

    Reads every byte of the archive and every row of the database. Lists each difference with its
    load, task and column. Loads and readers can continue meanwhile.

    \b
    Examples:
      gaussdb-tasks verify
      gaussdb-tasks verify --fast --format json
      gaussdb-tasks verify --expect-head 3f2a... --public-key audit.pem
      gaussdb-tasks verify --archive s3://audit/gaussdb-tasks --fast
      gaussdb-tasks verify --published postgresql://reader@db.example/tasks

    \b
    Exit codes: 0 intact; 1 findings.
    """
    keys = read_public_keys(public_keys) if public_keys else None
    trust = TimestampTrust(timestamp_cas) if timestamp_cas else None
    options = VerifyOptions(
        is_fast=fast, expected_head=expect_head, keys=keys, timestamp_trust=trust
    )
    found = _verified(DataDir(data_dir), archive_url, published_url, options)
    if output_format == "json":
        _write_json(found, options)
    elif found.findings:
        rows = (tuple(text and shortened(text) for text in _row(each)) for each in found.findings)
        output.write_rows(_NAMES, rows, output.Target(output_format))
    _report(found, options)
    sys.exit(ExitCode.DONE if found.is_intact else ExitCode.FAILED)


def _verified(
    data_dir: DataDir, archive_url: str | None, published_url: str | None, options: VerifyOptions
) -> Verification:
    """Verify the data directory, or a copy or a publication of its archive."""
    if archive_url is not None and published_url is not None:
        message = "--archive and --published are two checks; run verify once for each"
        raise ConfigurationError(message)
    if published_url is not None:
        from gaussdb_tasks.publication.publish import verify_published  # noqa: PLC0415 - rarely used
        from gaussdb_tasks.publication.target import parse_target  # noqa: PLC0415 - likewise

        target = parse_target(published_url, option="--published")
        return verify_published(data_dir, target, options)
    if archive_url is not None:
        from gaussdb_tasks.archive.mirror.remote import Remote  # noqa: PLC0415 - only for a copy
        from gaussdb_tasks.archive.mirror.verify_mirror import verify_remote  # noqa: PLC0415

        return verify_remote(Remote(archive_url, option="--archive"), options, data_dir)
    return verify(data_dir, options)


def _row(finding: Finding) -> tuple[str | None, ...]:
    return tuple(None if value is None else str(value) for value in astuple(finding))


def _report(found: Verification, options: VerifyOptions) -> None:
    for account in found.amendments:
        console.info(_describe_amendment(account, found))
    for note in found.notes:
        console.info(f"note: {note}")
    if options.is_fast:
        console.info(
            "note: these were not read: the bytes of archive files (only their sizes), and the "
            "values and the order of rows in the database (only the number of rows of each load "
            "and table); amendments were compared by row counts only; run verify without --fast "
            "to read them"
        )
    if found.is_intact:
        last = found.chain[-1]
        console.info(f"intact: {len(found.chain):,} entries, head {last.sha256} ({last.name})")
    else:
        unread = sum(each.fault is Fault.UNREAD for each in found.findings)
        others = len(found.findings) - unread
        if others:
            console.info(f"MISMATCH: {others:,} findings")
        if unread:
            console.info(f"NOT VERIFIED: {unread:,} files could not be read; they may be intact")


def _describe_amendment(account: AmendmentAccount, found: Verification) -> str:
    manifest = account.entry.manifest
    done = "removed on purpose" if manifest.removes else "changed on purpose"
    if not manifest.restates and not manifest.removes:
        done = "amended"
    if account.is_later:
        done = f"after the expected head: {done}"
    claimed = "" if account.is_recomputed else " (as it says; not recomputed)"
    return (
        f"{done} by {account.entry.name} ({manifest.reason or 'no reason given'}): "
        f"{account.rows_removed:,} rows removed, {account.rows_changed:,} changed{claimed}, "
        f"{_file_count(account, found):,} files rewritten"
    )


def _file_count(account: AmendmentAccount, found: Verification) -> int:
    return sum(removal.amendment is account.entry for removal in found.removals)


def _write_json(found: Verification, options: VerifyOptions) -> None:
    last = found.chain[-1] if found.chain else None
    value = {
        "is_whole": found.is_intact,
        "level": "fast" if options.is_fast else "full",
        "entry_count": len(found.chain),
        "head": None if last is None else last.sha256,
        "findings": [dict(zip(_NAMES, _row(each), strict=True)) for each in found.findings],
        "removed": [
            {
                "entry": each.file.entry,
                "file": each.file.file,
                "kind": each.amendment.manifest.kind,
                "at": each.amendment.manifest.at,
                "reason": each.amendment.manifest.reason,
                "rows_removed": each.file.rows_removed,
                "rows_changed": each.file.rows_changed,
            }
            for each in found.removals
        ],
        "timestamps": [asdict(each) | {"at": iso(each.at)} for each in found.stamped],
        "amendments": [
            {
                "entry": each.entry.name,
                "kind": each.entry.manifest.kind,
                "at": each.entry.manifest.at,
                "reason": each.entry.manifest.reason,
                "rows_removed": each.rows_removed,
                "rows_changed": each.rows_changed,
                "is_recomputed": each.is_recomputed,
                "files_rewritten": _file_count(each, found),
                "is_after_expected_head": each.is_later,
            }
            for each in found.amendments
        ],
        "notes": found.notes,
    }
    output.write_json(value)
