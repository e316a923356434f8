"""How the report writes durations, rates, and texts that others wrote."""

import unicodedata

import pytest
from hypothesis import given as forall
from hypothesis import strategies as st

from gaussdb_tasks.report.words import (
    MISSING,
    count,
    counted,
    duration,
    percent,
    short_duration,
    shown,
)


def plain(text: str) -> str:
    """Return a text with plain spaces."""
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
    """Rounded to the smaller of both, and never 60 of one."""
    assert plain(duration(seconds)) == written


@forall(seconds=st.floats(10, 10**9))
def test_a_written_duration_is_near_the_real_one(seconds: float) -> None:
    """What is written differs by no more than half of its smaller unit."""
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
def test_a_little_is_not_nothing(share: float | None, written: str) -> None:
    """A share that rounds to nothing, or to all, says that it is not."""
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
def test_an_axis_keeps_to_one_unit(seconds: float, step: float | None, written: str) -> None:
    """The step of the axis says in which unit all its ticks are."""
    assert plain(short_duration(seconds, step)) == written


def test_counts() -> None:
    """Thousands have commas, and one thing is no things."""
    assert (count(1234567), count(None)) == ("1,234,567", MISSING)
    assert plain(counted(1, "task")) == "1 task"
    assert plain(counted(0, "stretch", "stretches")) == "0 stretches"


def test_what_is_long_is_cut_in_its_middle() -> None:
    """Both ends stay, and how long it was is said."""
    text = shown("a" * 5_000 + "z" * 5_000, 100)
    assert text.startswith("a" * 60)
    assert text.endswith("z" * 30 + " (10,000 characters)")


@forall(text=st.text())
def test_nothing_invisible_is_shown(text: str) -> None:
    """Whatever the text, no character of it controls or is hidden, and it can be written."""
    written = shown(text)
    assert written.strip()
    assert not any(unicodedata.category(character).startswith("C") for character in written)
    assert written.encode()


def test_what_is_missing_differs_from_what_is_blank() -> None:
    """A missing text is a dash; an empty one is said to be."""
    assert (shown(None), shown(" \n"), shown("a\tb\u202ec")) == (
        MISSING,
        "(blank)",
        r"a b\u{202e}c",
    )
