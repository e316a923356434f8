"""Tables for people: what has room, ids in one piece, durations in words, one form of numbers."""

import re
from datetime import datetime, timedelta
from itertools import chain

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gaussdb_tasks.cli.table import in_words, make_table, text_width

JOB_ID = "5f1c2d3e-0000-4000-8000-0123456789ab"
INSTANCE_ID = "5a97e2e10dee774a52da2ffb47c1d736in14"
REASON = f"Backup of {INSTANCE_ID} failed: node 3 did not answer within 600 s, and was restarted"


@pytest.mark.parametrize("width", range(40, 260, 7))
def test_ids_are_never_broken(width: int) -> None:
    names = ["region", "job_id", "instance_id", "fail_reason", "created_at"]
    table = make_table(names, [["eu-de", JOB_ID, INSTANCE_ID, REASON, "2026"]] * 2, width)
    text = "\n".join(table.lines)
    shown = set(table.head[0].split())
    assert shown | set(table.omitted) >= {"job_id", "instance_id"}
    for name, value in (("job_id", JOB_ID), ("instance_id", INSTANCE_ID)):
        assert (value in text) == (name in shown or (name == "instance_id" and "fail" in text))
    assert max(map(text_width, table.lines)) <= width


def test_columns_without_room_go_by_importance() -> None:
    """Empty columns go first, then ids; a smaller column may take the room that is left."""
    names = ["region", "project_id", "project_name", "vanished_at", "status", "job_id"]
    rows = [["eu-de", "p" * 32, "shop", None, "Running", JOB_ID]] * 2
    left_out = [set(make_table(names, rows, width).omitted) for width in (140, 110, 70, 50)]
    assert left_out == [
        set(),
        {"vanished_at"},
        {"vanished_at", "project_id"},
        {"project_id", "job_id"},
    ]


def test_names_stand_before_their_ids() -> None:
    names = ["region", "project_id", "project_name", "instance_id", "instance_name"]
    rows = [["eu-de", "1", "shop", "2", "orders"]]
    head = make_table(names, rows, 200).head[0].split()
    assert head == ["region", "project_name", "project_id", "instance_name", "instance_id"]
    assert make_table(names, rows, 200, is_raw=True).head[0].split() == names


@pytest.mark.parametrize(
    ("name", "value", "heading", "words"),
    [
        ("age_seconds", 273_600.0, "age", "3 d 4 h"),
        ("p50_seconds", 531, "p50", "8 min 51 s"),
        ("duration_ms", 90_000, "duration", "1 min 30 s"),
        ("gap_hours", 25.5, "gap", "1 d 2 h"),
        ("minutes", 0.5, "duration", "30 s"),
        ("age_seconds", -5.0, "age", "-5 s"),
        ("age_seconds", float("inf"), "age", "inf"),
        ("age_seconds", None, "age", "NULL"),
        ("since", timedelta(days=1, hours=1), "since", "1 d 1 h"),
        ("note_seconds", "a text", "note_seconds", "a text"),
        ("is_in_seconds", True, "is_in_seconds", "true"),
    ],
)
def test_durations_are_in_words(name: str, value: object, heading: str, words: str) -> None:
    head, _rule, row = make_table([name], [[value]], 100).lines
    assert (head.strip(), row.strip()) == (heading, words)


def test_a_unit_stays_in_a_heading_if_another_column_has_the_short_name() -> None:
    names = ["age", "age_seconds", "duration_ms", "duration_seconds"]
    head, _rule, row = make_table(names, [["old", 60.0, 60_000, 60.0]], 100).lines
    assert head.split() == ["age", "age_seconds", "duration", "duration_ms"]
    assert row.split() == ["old", "1", "min", "1", "min", "60000"]


def test_numbers_are_alike_in_a_grid_and_in_a_list() -> None:
    """Whole numbers of a column with fractions have a fraction in both."""
    names, rows = ["a", "b", "c"], [(1.5, 2.0, 7), (2.0, 3.0, None)]
    grid = [re.findall(r"\S+", line) for line in chain(*make_table(names, rows, 100).rows)]
    lists = make_table(names, rows, 5, is_raw=True)
    listed = [[line.split()[1] for line in row[1:]] for row in lists.rows]
    assert grid == listed == [["1.5", "2", "7"], ["2.0", "3", "NULL"]]


def test_long_texts_are_folded_at_blanks_or_cut() -> None:
    names, rows = ["job_id", "fail_reason"], [(JOB_ID, REASON), (JOB_ID, REASON)]
    folded = make_table(names, rows, 80)
    words = [word for line in folded.rows[0] for word in line.split()]
    assert words == [JOB_ID, *REASON.split()]
    assert len(folded.rows[0]) > 1
    cut = make_table(names, rows, 80, cut=["fail_reason"])
    assert [len(row) for row in cut.rows] == [1, 1]
    assert cut.rows[0][0].endswith("…")


def test_one_row_that_does_not_fit_is_a_list() -> None:
    table = make_table(["job_id", "instance_id"], [[JOB_ID, INSTANCE_ID]], 50)
    assert list(table.lines) == [
        "--- row 1",
        f"job_id       {JOB_ID}",
        f"instance_id  {INSTANCE_ID}",
    ]
    assert table.omitted == ()


def test_a_file_has_room_for_all() -> None:
    table = make_table(["fail_reason", "job_id"], [[REASON * 9, JOB_ID]] * 2, None)
    assert table.omitted == []
    assert REASON * 9 in table.rows[0][0]


_TEXTS = st.text(st.sampled_from("ab_ -é漢\u0301\x1b\n"), max_size=70)
_VALUES = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), _TEXTS)


@given(
    rows=st.lists(st.lists(_VALUES, min_size=4, max_size=4), min_size=2, max_size=4),
    width=st.integers(30, 120),
)
def test_any_table_keeps_to_its_width(rows: list[list[object]], width: int) -> None:
    """Unless its most important column alone is wider; no line has an invisible character."""
    names = ["job_id", "age_seconds", "a_b", "fail_reason"]
    table = make_table(names, rows, width)
    lines = list(table.lines)
    assert len(table.rows) == len(rows)
    assert all(line.isprintable() for line in lines)
    if len(table.omitted) < len(names) - 1:
        assert max(map(text_width, lines)) <= width


def test_wide_characters_take_two_columns() -> None:
    assert [text_width(text) for text in ("ab", "漢字", "e\u0301")] == [2, 4, 1]


def test_times_are_not_durations() -> None:
    (row,) = make_table(["started_at"], [[datetime(2026, 3, 1)]], 80).rows  # noqa: DTZ001
    assert row == ["2026-03-01 00:00:00"]
    assert in_words(0.5) == "500 ms"
