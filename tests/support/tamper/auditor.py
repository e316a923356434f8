"""Run edits on copies of an audited archive, and verify each with what the auditor holds."""

import os
import random
import tempfile
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path
from typing import Final
from unittest.mock import patch

from tests.support.audited_archive import AuditedArchive
from tests.support.commands import isolated, run_command
from tests.support.tamper import (
    archive_files,
    copies,
    database_catalog,
    database_rows,
    forgeries,
    signed_entries,
    stamped_entries,
)
from tests.support.tamper.edits import EDITS, Edit, Evidence

_KINDS = (
    database_rows.KIND,
    database_catalog.KIND,
    archive_files.FILES,
    archive_files.FOLDERS,
    archive_files.MANIFESTS,
    forgeries.ROWS,
    forgeries.MANIFESTS,
    forgeries.AMENDMENTS,
    signed_entries.KIND,
    stamped_entries.KIND,
    copies.KIND,
)
EVERY_EDIT: Final = tuple(sorted(EDITS, key=lambda each: _KINDS.index(each.kind)))
"""The edits of the modules above, each of which adds its own, by kind."""


@dataclass(frozen=True)
class Trial:
    """The result of an edit.

    Attributes:
        fault: why it does not count as found; None if it was found.
    """

    edit: Edit
    description: str
    fault: str | None


def draw(count: int, seed: int) -> Iterator[tuple[Edit, int]]:
    """Yield edits, each kind as often as the others, with a seed for each."""
    rng = random.Random(seed)  # noqa: S311 - edits, not secrets
    by_kind: dict[str, list[Edit]] = {each.kind: [] for each in EVERY_EDIT}
    for _, kind in zip(range(count), cycle(by_kind), strict=False):
        if not by_kind[kind]:
            of_kind = [each for each in EVERY_EDIT if each.kind == kind]
            by_kind[kind] = rng.sample(of_kind, len(of_kind))
        yield by_kind[kind].pop(), rng.randrange(2**32)


class Auditor:
    """Verifies copies of an archive."""

    def __init__(self, original: AuditedArchive) -> None:
        self._original = original
        self._head = _head(original)

    def try_edit(self, edit: Edit, seed: int) -> Trial:
        """Edit a copy, and verify it."""
        with self._copied() as archive:
            description = edit.apply(archive, random.Random(seed))  # noqa: S311 - likewise
            return Trial(edit, description, self._fault(archive, edit.evidence, found=True))

    def try_without_edit(self, evidence: Evidence) -> str | None:
        """Verify a copy without an edit; return why it is not intact."""
        with self._copied() as archive:
            return self._fault(archive, evidence, found=False)

    def _fault(self, archive: AuditedArchive, evidence: Evidence, *, found: bool) -> str | None:
        before = _snapshot(archive.folder)
        try:
            run = run_command(*self._command(archive, evidence))
        except Exception:  # noqa: BLE001 - a traceback is what must not happen
            return traceback.format_exc()
        if _snapshot(archive.folder) != before:
            return "verify wrote or removed files"
        if "Traceback" in run.stderr:
            return run.stderr
        expected = (1, "MISMATCH: ") if found else (0, "intact: ")
        if run.exit_code == expected[0] and expected[1] in run.last_line:
            return None
        return f"exit code {run.exit_code}: {run.last_line}"

    def _command(self, archive: AuditedArchive, evidence: Evidence) -> Sequence[str | Path]:
        options: dict[Evidence, Sequence[str | Path]] = {
            Evidence.NOTHING: (),
            Evidence.HEAD: ("--expect-head", self._head),
            Evidence.KEY: ("--public-key", archive.public_key),
            Evidence.AUTHORITY: ("--timestamp-ca", archive.certificates.ca),
            Evidence.COPY: ("--archive", archive.copy),
        }
        return ("verify", "--data-dir", archive.data_dir.path, *options[evidence])

    @contextmanager
    def _copied(self) -> Iterator[AuditedArchive]:
        """Copy the archive to a folder, with all that a program may write to in it."""
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            (folder / "temporary").mkdir()
            with (
                isolated(folder),
                patch.dict(os.environ, {"TMPDIR": str(folder / "temporary")}),
                patch.object(tempfile, "tempdir", None),
            ):
                yield self._original.copied(folder)


def _head(archive: AuditedArchive) -> str:
    return archive.entries()[-1].read().sha256


def _snapshot(folder: Path) -> Sequence[object]:
    """Describe all files below a folder, and those that its links lead to."""
    return sorted(
        (str(path), None if path.is_dir() else (path.stat().st_size, path.stat().st_mtime_ns))
        for path in folder.rglob("*")
    )
