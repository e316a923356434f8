"""Verify the time stamps of a chain: since when each part of it provably exists."""

from collections.abc import Sequence
from typing import Final

from gaussdb_tasks.archive import timestamps
from gaussdb_tasks.archive.store import TIMESTAMP_NAME, ChainEntry, read_small_file
from gaussdb_tasks.archive.timestamp_trust import TimestampTrust
from gaussdb_tasks.archive.timestamps import Timestamp, TimestampError, read_timestamp
from gaussdb_tasks.archive.verification.findings import Fault, StampedEntries, Verification
from gaussdb_tasks.model.times import iso, now

_MAX_SHOWN: Final = 4


def verify_timestamps(trust: TimestampTrust | None, found: Verification) -> None:
    """Check each time stamp against its manifest; with trusted authorities who gave it, too.

    Through the chain a time stamp covers all earlier entries.
    """
    stamped = [entry for entry in found.chain if _has_timestamp(entry)]
    if trust is None and stamped and not timestamps.is_available():
        found.notes.append(
            "time stamps were not checked: run pip install 'gaussdb-tasks[timestamps]'"
        )
        return
    valid = []
    for entry in stamped:
        try:
            timestamp = _read(entry)
            if trust is not None:
                trust.check(timestamp)
        except (TimestampError, OSError) as error:
            where = f"{entry.name}/{TIMESTAMP_NAME}"
            found.add_unreadable(where, error, entry=entry.name, fault=Fault.TIMESTAMP)
        else:
            valid.append((entry.manifest.sequence, timestamp))
    if trust is None:
        if stamped:
            found.notes.append("time stamps were not verified; verify them with --timestamp-ca")
        return
    if found.chain and not stamped:
        detail = "neither it nor an earlier entry has a time stamp"
        found.add_file(found.chain[-1], TIMESTAMP_NAME, detail, Fault.TIMESTAMP)
    found.stamped.extend(_stamped_entries(valid))
    found.notes.extend(_notes(found))


def _has_timestamp(entry: ChainEntry) -> bool:
    path = entry.path / TIMESTAMP_NAME
    return path.is_symlink() or path.exists()


def _read(entry: ChainEntry) -> Timestamp:
    content = read_small_file(entry.path / TIMESTAMP_NAME, timestamps.MAX_BYTES)
    return read_timestamp(content, entry.entry.digest_path.read_bytes(), now())


def _stamped_entries(valid: Sequence[tuple[int, Timestamp]]) -> Sequence[StampedEntries]:
    """Return the earliest proved time of each part of the chain, in order.

    A time stamp that is later than one of a later entry proves nothing more.
    """
    earliest: list[tuple[int, Timestamp]] = []
    for sequence, timestamp in reversed(valid):
        if not earliest or timestamp.at < earliest[-1][1].at:
            earliest.append((sequence, timestamp))
    stamped, first = [], 1
    for last, timestamp in reversed(earliest):
        stamped.append(StampedEntries(first, last, timestamp.at, timestamp.authority))
        first = last + 1
    return stamped


def _notes(found: Verification) -> Sequence[str]:
    lines = [
        f"{_entries(each.first, each.last)} existed at {iso(each.at)}, says {each.authority}"
        for each in found.stamped
    ]
    hidden = len(lines) - _MAX_SHOWN
    if hidden > 0:
        half = _MAX_SHOWN // 2
        lines[half:-half] = [f"{hidden:,} more time stamps: see --format json"]
    last = found.stamped[-1].last if found.stamped else 0
    end = found.chain[-1].manifest.sequence if found.chain else 0
    if end > last:
        lines.append(f"{_entries(last + 1, end)}: no time stamp proves when they existed")
    return lines


def _entries(first: int, last: int) -> str:
    return f"entry {first}" if first == last else f"entries {first} to {last}"
