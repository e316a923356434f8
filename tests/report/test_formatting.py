"""Formatting of durations, rates, counts and untrusted text."""

import unicodedata

import pytest
from hypothesis import given as forall
from hypothesis import strategies as st

from gaussdb_tasks.report.formatting import (
    MISSING,
    count,
    counted,
    duration,
    percent,
    short_duration,
    shown,
)


def plain(text: str) -> str:
    """Replace no-break spaces by plain ones."""
    return text.replace("\N{NO-BREAK SPACE}", " ")


@pytest.mark.parametrize(
    ("seconds", "written"),
    [
        (None, MISSING),
        (0, "0 ms"),
        (0.25, "250 ms"),
        (0.9996, "1 s"),
        (2.54, "2.5 s"),
        (9.96, "10 s"),
        (27.4, "27 s"),
        (59.6, "1 min"),
        (1084, "18 min 4 s"),
        (3599.6, "1 h"),
        (4320, "1 h 12 min"),
        (86_399, "1 d"),
        (277_200, "3 d 5 h"),
        (94_352_400, "1,092 d 1 h"),
    ],
)
def test_a_duration_has_its_two_largest_units(seconds: float | None, written: str) -> None:
    """It is rounded to the smaller unit, and never shows 60 of one."""
    assert plain(duration(seconds)) == written


@forall(seconds=st.floats(10, 10**9))
def test_a_formatted_duration_is_within_half_of_its_smaller_unit(seconds: float) -> None:
    """Rounding does not change more."""
    sizes = {"d": 86_400, "h": 3_600, "min": 60, "s": 1}
    words = plain(duration(seconds)).replace(",", "").split()
    written = sum(
        int(number) * sizes[unit] for number, unit in zip(words[::2], words[1::2], strict=True)
    )
    largest = sizes[words[1]]
    smaller = {86_400: 3_600, 3_600: 60, 60: 1, 1: 1}[largest]
    assert abs(written - seconds) <= smaller / 2 + 1e-6


@pytest.mark.parametrize(
    ("share", "written"),
    [(None, MISSING), (0, "0.0 %"), (0.0001, "< 0.1 %"), (0.0203, "2.0 %"), (0.99999, "> 99.9 %")],
)
def test_a_small_share_is_not_shown_as_0_percent(share: float | None, written: str) -> None:
    """A large share is not shown as 100 %."""
    assert plain(percent(share)) == written
    assert percent(1) == "100.0\N{NO-BREAK SPACE}%"


@pytest.mark.parametrize(
    ("seconds", "step", "written"),
    [
        (0, 60, "0"),
        (0.5, 0.1, "500 ms"),
        (5400, 1800, "1.5 h"),
        (5400, 600, "90 min"),
        (1800, None, "30 min"),
        (460_800, None, "128 h"),
        (172_800, None, "2 d"),
    ],
)
def test_the_step_of_an_axis_selects_its_unit(
    seconds: float, step: float | None, written: str
) -> None:
    """All ticks of an axis have the same unit."""
    assert plain(short_duration(seconds, step)) == written


def test_a_count_has_commas_and_a_plural() -> None:
    """Only 1 is singular."""
    assert (count(1234567), count(None)) == ("1,234,567", MISSING)
    assert plain(counted(1, "task")) == "1 task"
    assert plain(counted(0, "batch", "batches")) == "0 batches"


def test_long_text_is_cut_in_its_middle() -> None:
    """Both ends and the original length are shown."""
    text = shown("a" * 5_000 + "z" * 5_000, 100)
    assert text.startswith("a" * 60)
    assert text.endswith("z" * 30 + " (10,000 characters)")


@forall(text=st.text())
def test_no_invisible_character_is_shown(text: str) -> None:
    """Any text can be encoded, and none is empty."""
    written = shown(text, 400)
    assert written.strip()
    assert not any(unicodedata.category(character).startswith("C") for character in written)
    assert written.encode()


def test_missing_text_differs_from_blank_text() -> None:
    """Missing text is a dash."""
    assert [shown(text, 400) for text in (None, " \n", "a\tb\u202ec")] == [
        MISSING,
        "(blank)",
        r"a\tb\u202ec",
    ]
