"""Report a load to monitoring: a metrics file and a dead-man switch."""

import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from gaussdb_tasks.api.auth.secret_values import read_secret
from gaussdb_tasks.cli import console
from gaussdb_tasks.cli.summary import remarks, summary_line
from gaussdb_tasks.database.data_dir import DataDir, refuse_own_path
from gaussdb_tasks.errors import ConfigurationError, ExitCode, GaussdbTasksError, LockedError
from gaussdb_tasks.foreign_text import shortened, visible
from gaussdb_tasks.known_secrets import mask
from gaussdb_tasks.load_report import LoadReport
from gaussdb_tasks.model import times
from gaussdb_tasks.model.times import Micros

_PING_URL: Final = "GAUSSDB_TASKS_PING_URL"


class LoadMonitor:
    """Reports the start and the end of the load inside the ``with`` block.

    The block gets a function that takes the load's report. A block that ends without one had
    nothing to load. A failure of monitoring is only a warning.
    """

    def __init__(
        self,
        data_dir: DataDir,
        metrics_file: Path | None,
        ping_url: str | None,
        now: Micros | None,
    ) -> None:
        """Check the settings.

        Raises:
            ConfigurationError: the metrics file or the ping URL cannot be used.
        """
        # Imported here since it takes 0.1 s, and help does not need it.
        from gaussdb_tasks.monitoring.heartbeat import Heartbeat  # noqa: PLC0415

        if ping_url is None:
            ping_url = read_secret({**os.environ, _PING_URL: ""}, _PING_URL)
        if metrics_file is not None:
            refuse_own_path(metrics_file, "--metrics-file")
        if metrics_file is not None and not metrics_file.absolute().parent.is_dir():
            message = (
                f"--metrics-file: there is no folder {metrics_file.absolute().parent}; create it"
            )
            raise ConfigurationError(message)
        self._data_dir = data_dir
        self._metrics_file = metrics_file
        self._heartbeat = None if ping_url is None else Heartbeat(ping_url)
        self._now = now
        self._report: LoadReport | None = None

    def __enter__(self) -> Callable[[LoadReport], None]:
        """Report the start."""
        if self._heartbeat is not None:
            self._warn(self._heartbeat.start())
        return self._take_report

    def __exit__(self, _kind: object, error: BaseException | None, _traceback: object) -> None:
        """Report the end, unless another load holds the lock: that load reports its own."""
        if isinstance(error, LockedError):
            return
        exit_code = _exit_code(error) if self._report is None else self._report.exit_code
        if self._metrics_file is not None:
            with self._errors_as_warnings():
                self._write_metrics(self._metrics_file, exit_code)
        if self._heartbeat is None:
            return
        if error is None and self._report is None:
            self._warn(self._heartbeat.success(_body(exit_code, ["nothing to load"])))
        elif self._report is None:
            causes = error.lines if isinstance(error, GaussdbTasksError) else [type(error).__name__]
            self._warn(self._heartbeat.failure(_body(exit_code, causes)))
        else:
            remark_texts = (remark.text for remark in remarks(self._report))
            body = _body(exit_code, [summary_line(self._report), *remark_texts])
            self._warn(self._heartbeat.success(body))

    def _take_report(self, report: LoadReport) -> None:
        self._report = report

    def _write_metrics(self, file: Path, exit_code: ExitCode) -> None:
        from gaussdb_tasks.monitoring.freshness import read_freshness  # noqa: PLC0415
        from gaussdb_tasks.monitoring.metrics import write_metrics  # noqa: PLC0415

        freshness = None
        if self._data_dir.database.exists():
            with self._errors_as_warnings():
                freshness = read_freshness([self._data_dir.database], self._now)
        write_metrics(
            file,
            data_dir=self._data_dir.path,
            ended_at=times.now(),
            exit_code=exit_code,
            report=self._report,
            freshness=freshness,
        )

    @contextmanager
    def _errors_as_warnings(self) -> Iterator[None]:
        try:
            yield
        except GaussdbTasksError as error:
            self._warn("; ".join(error.lines))

    def _warn(self, problem: str | None) -> None:
        if problem is not None:
            console.warn(f"monitoring: {problem}; the load is not affected", event="watch")


def _body(exit_code: ExitCode, lines: Iterable[str]) -> str:
    return f"exit {int(exit_code)}: " + "\n".join(visible(shortened(mask(line))) for line in lines)


def _exit_code(error: BaseException | None) -> ExitCode:
    if error is None:
        return ExitCode.DONE
    return error.exit_code if isinstance(error, GaussdbTasksError) else ExitCode.FAILED
