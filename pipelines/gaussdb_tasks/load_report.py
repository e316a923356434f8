"""The result of a load."""

from dataclasses import dataclass
from pathlib import Path

from gaussdb_tasks.api.auth.sign_in import FailedSignIn
from gaussdb_tasks.archive.mirror.mirror_state import MirrorState
from gaussdb_tasks.archive.timestamp_authority import StampResult
from gaussdb_tasks.database.checks import CheckFinding
from gaussdb_tasks.errors import ExitCode
from gaussdb_tasks.extract.project_tables import Outcome, ProjectSummary
from gaussdb_tasks.model.project_state import ProjectKey
from gaussdb_tasks.model.time_range import TimeRange
from gaussdb_tasks.publication.publish import Published


@dataclass(frozen=True)
class LoadReport:
    """The result of a published load.

    Attributes:
        failed_sign_ins: sign-ins that failed, so that their projects could not be read.
        warnings: findings of data checks that do not stop a load.
        lost: time ranges per project that left the horizon unread since the last load.
        upgraded_from: former version of the database's schema; None if it was not upgraded.
        adopted: entries of the archive that the database had lacked.
        archive_problems: problems of the archive that a person must solve.
        entry_name: the load's own entry in the archive.
        head_digest: SHA-256 of the manifest of that entry, the head of the chain.
        timestamp: time stamp of that entry; None if no authority was asked.
        mirror: state of the archive's mirror; None if there is none.
        published: result of the publication; None if there is no target.
        seconds_waited: time that calls waited at the gateway's request, over all threads.
    """

    run_id: str
    database: Path
    projects: tuple[ProjectSummary, ...]
    failed_sign_ins: tuple[FailedSignIn, ...]
    warnings: tuple[CheckFinding, ...]
    lost: tuple[tuple[ProjectKey, TimeRange], ...]
    upgraded_from: int | None
    adopted: tuple[str, ...]
    archive_problems: tuple[str, ...]
    entry_name: str
    head_digest: str
    timestamp: StampResult | None
    mirror: MirrorState | None
    published: Published | None
    seconds: float
    seconds_waited: float

    @property
    def exit_code(self) -> ExitCode:
        """Whether the load is done, or a person must look at its report."""
        is_mirror_behind = self.mirror is not None and self.mirror.is_behind
        needs_attention = (
            self.lost
            or self.failed_sign_ins
            or self.archive_problems
            or is_mirror_behind
            or (self.published is not None and self.published.error is not None)
            or any(
                project.outcome is not Outcome.COMPLETE or project.rejected_count
                for project in self.projects
            )
        )
        return ExitCode.NEEDS_ATTENTION if needs_attention else ExitCode.DONE

    def total(self, count: str) -> int:
        """Add up one of the counts over all projects, such as ``new_count``."""
        return sum(getattr(project, count) for project in self.projects)
