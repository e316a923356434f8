"""The share of a fleet's projects that a loader reads."""

from collections import Counter
from hashlib import sha256

import pytest

from gaussdb_tasks.errors import ConfigurationError
from gaussdb_tasks.model.project_state import ProjectKey
from gaussdb_tasks.model.shard import Shard, number_of, parse_shard

PROJECTS = [ProjectKey("eu-de", f"{number:032x}") for number in range(2_000)]


def test_each_project_is_in_one_shard() -> None:
    for project in PROJECTS[:50]:
        assert [Shard(number, 7).has(project) for number in range(1, 8)].count(True) == 1


def test_the_number_follows_from_the_documented_digests() -> None:
    """Machines of any version must agree, so the values are fixed here."""
    digests = [sha256(f"{number}\neu-de\nshop".encode()).hexdigest() for number in (1, 2, 3)]
    assert number_of(ProjectKey("eu-de", "shop"), 3) == 1 + digests.index(max(digests))
    numbers = [number_of(project, 10) for project in PROJECTS[:8]]
    assert numbers == [10, 10, 6, 9, 7, 4, 2, 1]


def test_the_region_is_a_part_of_the_key() -> None:
    moved = [ProjectKey("eu-nl", project_id) for _, project_id in PROJECTS]
    assert any(number_of(a, 5) != number_of(b, 5) for a, b in zip(PROJECTS, moved, strict=True))


def test_shards_are_about_equally_large() -> None:
    sizes = Counter(number_of(project, 10) for project in PROJECTS)
    assert sizes.keys() == set(range(1, 11))
    assert max(sizes.values()) < 1.3 * min(sizes.values())


def test_only_projects_of_a_new_shard_move() -> None:
    moved = [each for each in PROJECTS if number_of(each, 10) != number_of(each, 11)]
    assert {number_of(each, 11) for each in moved} == {11}
    assert len(moved) < 2 * len(PROJECTS) / 11


@pytest.mark.parametrize(
    ("text", "shard"),
    [("1/1", Shard(1, 1)), ("3/10", Shard(3, 10)), ("0+1/3", Shard(1, 3)), ("2+1/3", Shard(3, 3))],
)
def test_a_shard_is_written_as_number_and_count(text: str, shard: Shard) -> None:
    """An index that counts from 0 is followed by +1."""
    assert parse_shard(text) == shard
    assert parse_shard(str(shard)) == shard


@pytest.mark.parametrize(
    ("text", "message"),
    [
        *((text, "write it like 3/10") for text in ("", "3", "a/b", "1/3/5", " 1/3", "-1/3")),
        *((text, "write it like 3/10") for text in ("1.0/3", "1/3\n", "1+1", "1+2/3", "\u0661/3")),
        ("0/3", "from 1/3 to 3/3"),
        ("4/3", "from 1/3 to 3/3"),
        ("3+1/3", "from 1/3 to 3/3"),
        ("1/0", "from 1 to 1,000"),
        ("1/1001", "from 1 to 1,000"),
    ],
)
def test_another_text_is_refused(text: str, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        parse_shard(text)
