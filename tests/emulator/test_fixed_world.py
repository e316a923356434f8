"""A world of given records: served unchanged, edited between two pages."""

import pytest

from gaussdb_tasks.emulator import Emulator, FixedWorld, Project, Query, SettableClock
from gaussdb_tasks.model.times import HOUR, MINUTE
from tests.support.emulator_client import NOW, OTHER_PROJECT, PROJECT, client_of, job_id, record


def bodies(world: FixedWorld) -> list[bytes]:
    """Return the first project's records as JSON, oldest first."""
    snapshot = world.snapshot(PROJECT, since=0, now=NOW)
    return [task.body_at(NOW) for task in snapshot.tasks]


def test_bytes_are_served_unchanged() -> None:
    """Spaces, escapes, the order of keys and duplicate keys stay."""
    odd = rb'{ "status" : "Failed", "job_id":"a\u00e9\/", "job_id":"b", "n": 1.0e2 }'
    world = FixedWorld({PROJECT: [odd]})
    with client_of(Emulator(world, clock=SettableClock(NOW))) as client:
        assert client.get().content == b'{"tasks":[' + odd + b'],"total_count":1}'


def test_records_need_not_be_objects() -> None:
    """Any JSON value is served, also one that a client must reject."""
    world = FixedWorld({PROJECT: [None, "text", 7, [], {}]})
    with client_of(Emulator(world, clock=SettableClock(NOW))) as client:
        assert client.get().json()["tasks"] == [None, "text", 7, [], {}]


def test_records_are_sorted_whatever_their_offsets() -> None:
    """The time counts, not its text."""
    texts = [
        "2026-03-18T09:00:00Z",
        "2026-03-18T18:00:00+0800",
        "2026-03-18T12:30:00+01:30",
        "2026-03-18T12:00:00+0000",
    ]
    records = [{**record(number), "created_at": text} for number, text in enumerate(texts)]
    world = FixedWorld({PROJECT: reversed(records)})
    with client_of(Emulator(world, clock=SettableClock(NOW))) as client:
        assert client.job_ids() == [job_id(number) for number in (3, 2, 1, 0)]


def test_a_later_change_of_a_given_dict_has_no_effect() -> None:
    """The world keeps the record as it was at first."""
    given = record(1)
    world = FixedWorld({PROJECT: [given]})
    before = bodies(world)
    given["status"] = "Failed"
    assert bodies(world) == before


def test_added_records_are_listed_in_order() -> None:
    """An added record is listed by its creation."""
    world = FixedWorld({PROJECT: [record(1, NOW - 3 * HOUR), record(3, NOW - HOUR)]})
    world.add(PROJECT, record(2, NOW - 2 * HOUR))
    with client_of(Emulator(world, clock=SettableClock(NOW))) as client:
        assert client.job_ids() == [job_id(3), job_id(2), job_id(1)]
    assert world.count(PROJECT) == 3


def test_a_record_can_be_duplicated() -> None:
    """A list can contain a task twice, as when it shifts between pages."""
    world = FixedWorld({PROJECT: [record(1)]})
    world.add(PROJECT, record(1))
    assert len(bodies(world)) == 2


def test_records_are_replaced_by_job_id() -> None:
    """The new record may have another creation."""
    world = FixedWorld({PROJECT: [record(1), record(2)]})
    finished = record(1, NOW - MINUTE, status="Failed")
    world.replace(PROJECT, finished)
    with client_of(Emulator(world, clock=SettableClock(NOW))) as client:
        assert client.page()[0] == [finished, record(2)]


def test_records_are_removed_by_job_id() -> None:
    """All records with this job_id are removed, in this project only."""
    world = FixedWorld({PROJECT: [record(1), record(1), record(2)], OTHER_PROJECT: [record(1)]})
    world.remove(PROJECT, job_id(1))
    assert (world.count(PROJECT), world.count(OTHER_PROJECT)) == (1, 1)


def test_an_unknown_record_cannot_be_replaced_or_removed() -> None:
    """A wrong job_id is an error, and nothing is changed."""
    world = FixedWorld({PROJECT: [record(1), record(1)]})
    with pytest.raises(KeyError, match=job_id(7)):
        world.remove(PROJECT, job_id(1), job_id(7))
    with pytest.raises(KeyError, match=job_id(7)):
        world.replace(PROJECT, record(1), record(7))
    assert world.count(PROJECT) == 2


def test_an_edit_does_not_change_an_earlier_snapshot() -> None:
    """A snapshot does not change; the same object is returned until an edit."""
    world = FixedWorld({PROJECT: [record(1)]})
    before = world.snapshot(PROJECT, since=0, now=NOW)
    assert world.snapshot(PROJECT, since=5, now=NOW + HOUR) is before
    world.add(PROJECT, record(2))
    assert len(before.tasks) == 1
    assert len(world.snapshot(PROJECT, since=0, now=NOW).tasks) == 2


def test_the_list_shifts_when_tasks_are_added_between_two_pages() -> None:
    """Newest first, a new task repeats a record and a deleted task hides one."""
    records = [record(number, NOW - number * MINUTE) for number in range(4)]
    world = FixedWorld({PROJECT: records})
    emulator = Emulator(world, clock=SettableClock(NOW))

    @emulator.before_page
    def _edit(query: Query) -> None:
        if query.offset == 2:
            world.add(PROJECT, record(9, NOW))
        if query.offset == 4:
            world.remove(PROJECT, job_id(0))

    with client_of(emulator) as client:
        pages = [client.page(offset=str(offset), limit="2") for offset in (0, 2, 4)]
    numbers = [[str(task["job_id"])[-1] for task in tasks] for tasks, _ in pages]
    assert numbers == [["0", "1"], ["1", "2"], []]
    assert [total_count for _, total_count in pages] == [4, 5, 4]


def test_projects_have_names() -> None:
    """A given name, or a name made from the id."""
    world = FixedWorld({PROJECT: [], OTHER_PROJECT: []}, names={PROJECT: "eu-de_shop"})
    assert list(world.projects) == [
        Project(PROJECT, "eu-de_shop"),
        Project(OTHER_PROJECT, "eu-de_ffffff"),
    ]
