"""Read all projects of a load into the tables that it fills.

The versions are the large part and come first, in batches. The other tables are complete after the
last batch. If they are read first, the versions wait in memory.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial

import pyarrow as pa

from gaussdb_tasks.errors import worst_of
from gaussdb_tasks.extract import arrow_rows
from gaussdb_tasks.extract.parallel import read_together
from gaussdb_tasks.extract.project_tables import (
    ProjectExtraction,
    ProjectSource,
    ProjectSummary,
    Run,
)
from gaussdb_tasks.extract.row_file import RowFile
from gaussdb_tasks.model import tables
from gaussdb_tasks.model.tables import Table


class Extraction:
    """The tables of one load, read from all its projects.

    Each method yields the rows of one table as Arrow tables. If the destination has no tables yet,
    it yields at least an empty one, so that the table is created.

    Attributes:
        projects: one for each source, in the same order.
        summaries: the result of each project; empty until all projects are read.
    """

    def __init__(
        self,
        run: Run,
        sources: Sequence[ProjectSource],
        on_taken: "Callable[[Extraction], None]" = lambda _extraction: None,
        *,
        creates_tables: bool = True,
    ) -> None:
        self.summaries: list[ProjectSummary] = []
        self._latest = RowFile(tables.TASKS.schema)
        self.projects = [
            ProjectExtraction(source, run, partial(self._latest.write, number))
            for number, source in enumerate(sources)
        ]
        self._connections = run.connections
        self._on_taken = on_taken
        self._creates_tables = creates_tables
        self._versions = self._read()
        self._waiting: deque[pa.Table] = deque()

    def forget_states(self) -> None:
        """Free the states of known tasks, after all projects were read."""
        for project in self.projects:
            project.forget_states()

    def task_versions(self) -> Iterator[pa.Table]:
        """Yield the new states, batch by batch, while they are read.

        Raises:
            GaussdbTasksError: no project could be read.
        """
        yield from self._rows(tables.TASK_VERSIONS, ())
        while True:
            batch = self._waiting.popleft() if self._waiting else next(self._versions, None)
            if batch is not None:
                yield batch
            elif not self._waiting:
                break
        # A run that did not take the versions must not record them as loaded.
        self._on_taken(self)

    def tasks(self) -> Iterator[pa.Table]:
        """Yield the latest states of tasks that are new, changed or in flight."""
        projects = self._read_projects()
        batches = self._latest.read(lambda number, rows: projects[number].still_latest(rows))
        yield from self._rows(tables.TASKS, batches)

    def coverage(self) -> Iterator[pa.Table]:
        """Yield the windows that were read, and the time that they cover."""
        covered = [row for project in self._read_projects() for row in project.coverage_rows()]
        yield tables.COVERAGE.arrow_from_rows(covered)

    def load_runs(self) -> Iterator[pa.Table]:
        """Yield one row per project with the result of the load."""
        runs = [project.run_row() for project in self._read_projects()]
        yield tables.LOAD_RUNS.arrow_from_rows(runs)

    def rejected_records(self) -> Iterator[pa.Table]:
        """Yield the records that are not tasks, with the reasons."""
        batches = (project.rejected_records() for project in self._read_projects())
        yield from self._rows(tables.REJECTED_RECORDS, batches)

    def vanished_tasks(self) -> Iterator[pa.Table]:
        """Yield the tasks that were found deleted, and those that are listed again."""
        batches = (project.vanished_tasks() for project in self._read_projects())
        yield from self._rows(tables.VANISHED_TASKS, batches)

    def task_types(self) -> Iterator[pa.Table]:
        """Yield the documented kinds of task."""
        yield arrow_rows.task_types()

    def _rows(self, table: Table, batches: Iterable[pa.Table]) -> Iterator[pa.Table]:
        if self._creates_tables:
            yield table.schema.empty_table()
        # A load package has a file and a job for each table that is yielded, even for no rows.
        yield from (batch for batch in batches if batch.num_rows)

    def _read_projects(self) -> Sequence[ProjectExtraction]:
        """Return the projects after reading them; versions that were not taken yet wait."""
        self._waiting.extend(self._versions)
        return self.projects

    def _read(self) -> Iterator[pa.Table]:
        readers = [project.read for project in self.projects]
        yield from read_together(readers, self._connections)
        self.summaries += [project.summary() for project in self.projects]
        _raise_if_all_failed(self.summaries)


def _raise_if_all_failed(summaries: Sequence[ProjectSummary]) -> None:
    errors = [summary.error for summary in summaries if summary.error is not None]
    if not errors or len(errors) < len(summaries):
        return
    raise worst_of(errors)
