"""Five loaders at once, killed and started again: nothing is lost, and nothing is doubled."""

from collections.abc import Iterator

import pytest

from gaussdb_tasks.archive.verification.verify import verify
from gaussdb_tasks.archive.verification.verify_files import VerifyOptions
from tests.support.fleet import SHARDS, Fleet, prepare_fleet
from tests.support.publishing import TABLES


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    """One night; `make fleet-drill` runs more, and kills at any moment."""
    with prepare_fleet(tmp_path_factory.mktemp("fleet"), seed=1) as prepared:
        prepared.night(tasks=5, kills_in_calls=2)
        yield prepared


def test_the_union_has_every_version_once(fleet: Fleet) -> None:
    assert fleet.kill_count > 0
    with fleet.opened() as connection:
        assert fleet.versions(connection) == fleet.expected
        latest = connection.execute("select project_id, job_id, status from tasks").fetchall()
    assert len(latest) == len(fleet.expected)
    assert {(project, job): status for project, job, status in latest} == {
        task: statuses[-1] for task, statuses in fleet.expected.items()
    }


def test_every_archive_is_complete(fleet: Fleet) -> None:
    heads = set()
    for data_dir in fleet.data_dirs:
        found = verify(data_dir, VerifyOptions())
        assert found.findings == []
        heads.add(found.chain[-1].sha256)
    assert len(heads) == SHARDS


def test_targets_have_the_rows_of_the_union(fleet: Fleet) -> None:
    """All loaders publish to the same places, at the same time."""
    if not fleet.places:
        pytest.skip("needs PostgreSQL, and DuckDB's extensions of the extra [lake]")
    assert list(fleet.differences(TABLES)) == []
