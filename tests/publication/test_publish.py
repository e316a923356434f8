"""An archive that is published answers like its local database."""

from gaussdb_tasks.database.data_dir import DataDir
from tests.support.publishing import Place, local_rows


def test_published_rows_and_views_are_those_of_the_database(
    place: Place, data_dir: DataDir
) -> None:
    done = place.publish(data_dir)
    assert (done.entries, done.sequence, done.is_cleaned) == (5, 5, False)
    expected = local_rows(data_dir)
    assert place.rows() == expected
    again = place.publish(data_dir)
    assert again.entries == 0
    assert place.rows() == expected
