"""Reading all projects of a load into the tables it fills.

The versions come first and in batches, since they are what is large; everything else is known once
the last of them has come. Asked for in another order, the versions wait in memory.
"""

from collections import deque
from collections.abc import Callable, Iterator, Sequence

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
from gaussdb_tasks.model import tables


class Extraction:
    """The tables of one load, read from all its projects.

    Each method yields the rows of one table as Arrow tables, an empty one at least, so that the
    table exists in the destination whether or not there is something in it.
    """

    def __init__(
        self,
        run: Run,
        sources: Sequence[ProjectSource],
        on_kept: "Callable[[Extraction], None]" = lambda _extraction: None,
    ) -> None:
        self.summaries: list[ProjectSummary] = []
        """What was found, project by project, once they are read."""
        self.projects = [ProjectExtraction(source, run) for source in sources]
        self._parallel = run.connections
        self._on_kept = on_kept
        self._versions = self._read()
        self._waiting: deque[pa.Table] = deque()

    def task_versions(self) -> Iterator[pa.Table]:
        """Yield the new states, batch by batch, while they are read.

        Raises:
            GaussdbTasksError: no project could be read.
        """
        yield tables.TASK_VERSIONS.schema.empty_table()
        while True:
            batch = self._waiting.popleft() if self._waiting else next(self._versions, None)
            if batch is not None:
                yield batch
            elif not self._waiting:
                break
        # Who does not take the versions must not be remembered as having them.
        self._on_kept(self)

    def tasks(self) -> Iterator[pa.Table]:
        """Yield the latest states of what is new, changed or in flight."""
        yield tables.TASKS.schema.empty_table()
        for project in self._read_projects():
            yield project.latest_states()

    def coverage(self) -> Iterator[pa.Table]:
        """Yield the windows that were read, and what they prove."""
        covered = [row for project in self._read_projects() for row in project.coverage_rows()]
        yield tables.COVERAGE.arrow_from_rows(covered)

    def load_runs(self) -> Iterator[pa.Table]:
        """Yield one row a project on how the load went."""
        runs = [project.run_row() for project in self._read_projects()]
        yield tables.LOAD_RUNS.arrow_from_rows(runs)

    def rejected_records(self) -> Iterator[pa.Table]:
        """Yield the records that are no tasks, with the reasons."""
        yield tables.REJECTED_RECORDS.schema.empty_table()
        for project in self._read_projects():
            yield project.rejected_records()

    def vanished_tasks(self) -> Iterator[pa.Table]:
        """Yield the tasks found deleted, and those that are listed again."""
        yield tables.VANISHED_TASKS.schema.empty_table()
        for project in self._read_projects():
            yield project.vanished_tasks()

    def task_types(self) -> Iterator[pa.Table]:
        """Yield the documented kinds of task."""
        yield arrow_rows.task_types()

    def _read_projects(self) -> Sequence[ProjectExtraction]:
        """Return the projects, read to the end; versions not asked for yet wait."""
        self._waiting.extend(self._versions)
        return self.projects

    def _read(self) -> Iterator[pa.Table]:
        readers = [project.read for project in self.projects]
        yield from read_together(readers, self._parallel)
        self.summaries += [project.summary() for project in self.projects]
        _raise_if_all_failed(self.summaries)


def _raise_if_all_failed(summaries: Sequence[ProjectSummary]) -> None:
    errors = [summary.error for summary in summaries if summary.error is not None]
    if not errors or len(errors) < len(summaries):
        return
    raise worst_of(errors)
