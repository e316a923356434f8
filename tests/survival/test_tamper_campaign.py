"""Verify finds edits by knowledge of the format; `make tamper-campaign` tries many more."""

import shutil
from dataclasses import replace

import pytest

from tests.support import IS_THOROUGH
from tests.support.audited_archive import AuditedArchive
from tests.support.tamper.auditor import EVERY_EDIT, Auditor, draw
from tests.support.tamper.edits import Evidence

pytestmark = pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not installed")

_KINDS = sorted({edit.kind for edit in EVERY_EDIT})
_SAMPLE = list(draw(len(_KINDS) * (20 if IS_THOROUGH else 1), seed=2))


@pytest.fixture(scope="module")
def auditor(audited: AuditedArchive) -> Auditor:
    return Auditor(audited)


@pytest.mark.parametrize("evidence", [Evidence.KEY, Evidence.COPY])
def test_without_an_edit_it_is_intact(auditor: Auditor, evidence: Evidence) -> None:
    assert auditor.try_without_edit(evidence) is None


@pytest.mark.parametrize("kind", _KINDS)
def test_edits_are_found(auditor: Auditor, kind: str) -> None:
    """No edit ends in a traceback, or makes verify write a file."""
    trials = [auditor.try_edit(edit, seed) for edit, seed in _SAMPLE if edit.kind == kind]
    assert trials
    assert [trial for trial in trials if trial.fault] == []


def test_a_missed_edit_is_reported(auditor: Auditor) -> None:
    """The campaign can fail: a head is needed to find what only a head shows."""
    (edit,) = (
        each
        for each in EVERY_EDIT
        if each.name == "change_what_nothing_else_shows" and each.evidence is Evidence.HEAD
    )
    unaided = auditor.try_edit(replace(edit, evidence=Evidence.NOTHING), 1)
    assert unaided.fault is not None
    assert unaided.fault.startswith("exit code 0: ")
