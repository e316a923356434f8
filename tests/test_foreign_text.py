"""Foreign text is shown in one line, without a character that acts."""

import json
import unicodedata

import hypothesis.strategies as st
import msgspec
import pytest
from hypothesis import given as forall

from gaussdb_tasks.foreign_text import MAX_MESSAGE_CHARACTERS, shortened, visible, visible_json
from tests.support.hostile_text import FILE_NAME, HOSTILE, LETTERS, invisible_in

ANY_TEXT = st.text(
    st.one_of(
        st.characters(exclude_categories=()),
        st.characters(categories=["Cc", "Cf", "Cn", "Co", "Cs", "Zl", "Zp"]),
        st.sampled_from(sorted(set(FILE_NAME))),
    )
)


@forall(text=ANY_TEXT)
def test_any_text_becomes_one_line_that_can_be_encoded(text: str) -> None:
    shown = visible(text)
    assert invisible_in(shown) == set()
    assert len(shown.splitlines()) <= 1
    assert "\n" not in shown
    shown.encode()


@forall(text=ANY_TEXT)
def test_visible_characters_stay_and_the_others_can_be_read_back(text: str) -> None:
    text = text.replace("\\", "")
    kept = "".join(
        character
        if not invisible_in(character) and character != "\n"
        else character.encode("unicode_escape").decode()
        for character in text
    )
    assert visible(text) == kept


@forall(text=ANY_TEXT)
def test_what_is_shown_is_not_changed_again(text: str) -> None:
    assert visible(visible(text)) == visible(text)


@pytest.mark.parametrize(
    "text", [LETTERS, "a\u00a0b\u3000c", "\N{COMBINING DIAERESIS}", "👍🏽", ""]
)
def test_letters_accents_and_spaces_are_shown_as_they_are(text: str) -> None:
    assert visible(text) == text


def test_escapes_are_those_of_python() -> None:
    assert visible("\x1b\n\t\r\x7f\x9b\u202e\U000e0041\udcff") == (
        r"\x1b\n\t\r\x7f\x9b\u202e\U000e0041\udcff"
    )


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | ANY_TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(ANY_TEXT, inner, max_size=3),
    max_leaves=5,
)


@forall(value=VALUES, is_indented=st.booleans())
def test_json_has_the_same_values_and_no_invisible_character(
    value: object, *, is_indented: bool
) -> None:
    encoded = json.dumps(value, ensure_ascii=False)
    if is_indented:
        encoded = json.dumps(value, ensure_ascii=False, indent=2)
    shown = visible_json(encoded)
    assert json.loads(shown) == value
    assert invisible_in(shown) == set()
    shown.encode()


def test_json_of_the_encoder_in_use_is_made_visible() -> None:
    encoded = msgspec.json.encode({HOSTILE: [HOSTILE]}).decode()
    assert invisible_in(encoded)
    assert json.loads(visible_json(encoded)) == {HOSTILE: [HOSTILE]}


@forall(text=st.text(max_size=80), max_length=st.integers(3, 60))
def test_a_text_is_cut_only_if_it_is_too_long(text: str, max_length: int) -> None:
    cut = shortened(text, max_length)
    if len(text) <= max_length:
        assert cut == text
    else:
        assert f"({len(text)} characters)" in cut
        assert cut.startswith(text[: max_length - max_length // 3])


def test_five_million_characters_are_a_short_message_with_both_ends() -> None:
    cut = shortened("problem" + "x" * 5_000_000 + "remedy")
    assert len(cut) < MAX_MESSAGE_CHARACTERS + 50
    assert cut.startswith("problemx")
    assert "xremedy (" in cut


def test_the_hostile_text_of_the_tests_has_every_category() -> None:
    categories = {unicodedata.category(character) for character in FILE_NAME}
    assert categories >= {"Cc", "Cf", "Co", "Cs", "Zl", "Zp", "Mn", "Mc", "Lo"}
