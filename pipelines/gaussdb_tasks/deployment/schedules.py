"""Render the files that a scheduler needs to run the nightly load."""

import json
import re
import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

import jinja2

from gaussdb_tasks.deployment.needed_paths import exists, paths_named_in, program_paths
from gaussdb_tasks.deployment.service_paths import service_paths
from gaussdb_tasks.errors import ConfigurationError
from gaussdb_tasks.foreign_text import visible

_TEMPLATES: Final = Path(__file__).parent
_PLAIN: Final = re.compile(r"[A-Za-z0-9_@:,./=+-]+")
# Stand in the files as they are: no scheduler has a quote for all of its places.
_PLAIN_VALUES: Final = MappingProxyType(
    {
        "user": re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*"),
        "image": re.compile(r"[A-Za-z0-9][A-Za-z0-9_./:@-]*"),
        "credentials": re.compile(r"/[A-Za-z0-9_./@+-]*"),
    }
)
_SECRET_VARIABLES: Final = MappingProxyType(
    {
        "os_password": "OS_PASSWORD_FILE",
        "os_secret_key": "OS_SECRET_KEY_FILE",
        "os_security_token": "OS_SECURITY_TOKEN_FILE",
        "secure.yaml": "OS_CLIENT_SECURE_FILE",
        "ping_url": "GAUSSDB_TASKS_PING_URL_FILE",
    }
)
"""The variable that names each file with a secret."""
_MAX_ATTEMPTS: Final = 5
_MINUTES_BEFORE_NEXT_RUN: Final = 23 * 60
_MAX_JOB_MINUTES: Final = 360
"""Longest job on a runner of GitHub. Source: its limits of Actions."""
_SIGN_INS: Final = frozenset({"os_password", "os_secret_key", "secure.yaml"})


@dataclass(frozen=True, slots=True)
class Schedule:
    """What to run, when, and as which user.

    Attributes:
        program: an absolute path.
        arguments: the command and its options.
        data_dir: the data directory, an absolute path.
        hour: hour of the day, UTC.
        minute: minute of the hour.
        user: the user that runs the program.
        image: the container image.
        credentials: the folder with the credentials, an absolute path.
        timeout_minutes: when the scheduler stops a load that hangs.
        reads: more files that options name, absolute paths.
        writes: folders that the load writes to, absolute paths.
        shards: the number of loads that share all projects; None for one load.
    """

    program: str
    arguments: Sequence[str]
    data_dir: Path
    hour: int
    minute: int
    user: str
    image: str
    credentials: Path
    timeout_minutes: int
    reads: Sequence[Path]
    writes: Sequence[Path]
    shards: int | None = None

    def __post_init__(self) -> None:
        """Refuse invisible characters, and others that a file cannot quote.

        Raises:
            ConfigurationError: a value has one.
        """
        paths = map(str, (self.data_dir, *self.writes, *self.needed_files()))
        for value in (self.program, *self.arguments, *paths, self.user, self.image):
            if visible(value) != value:
                message = (
                    f"{visible(value)}: schedules cannot have line ends and invisible characters; "
                    "use a value without them"
                )
                raise ConfigurationError(message)
        for name, plain in _PLAIN_VALUES.items():
            value = str(getattr(self, name))
            if not plain.fullmatch(value):
                message = (
                    f"--{name}: {value!r} has characters that a schedule cannot have; use letters, "
                    "digits and . _ - only"
                )
                raise ConfigurationError(message)

    @property
    def all_attempts_minutes(self) -> int:
        """Time of all attempts of a load; it ends before the next run, unless one is longer."""
        attempts = min(_MAX_ATTEMPTS * self.timeout_minutes, _MINUTES_BEFORE_NEXT_RUN)
        return max(self.timeout_minutes, attempts)

    def secrets(self) -> Mapping[str, str]:
        """Return the variable of each file with a secret that the sign-in uses, by file name.

        Those that exist are used. A password is missing if nothing else can sign in.
        """
        found = [name for name in _SECRET_VARIABLES if exists(self.credentials / name)]
        if _SIGN_INS.isdisjoint(found):
            found.insert(0, "os_password")
        return {name: _SECRET_VARIABLES[name] for name in found}

    def needed_files(self) -> Sequence[Path]:
        """Return the files and folders that the load reads, also those that settings name."""
        settings = [*self.reads, self.credentials / "clouds.yaml", self.credentials / "environment"]
        named = [path for file in settings for path in paths_named_in(file)]
        return [*program_paths(Path(self.program)), *self.reads, self.credentials, *named]


def for_systemd(schedule: Schedule) -> Mapping[str, str]:
    """Return a service and its timer, by file name."""
    return {
        f"gaussdb-tasks.{kind}": _render(f"systemd.{kind}.j2", schedule, systemd_word)
        for kind in ("service", "timer")
    }


def for_cron(schedule: Schedule) -> Mapping[str, str]:
    """Return a file for /etc/cron.d; Debian's cron ignores names with a dot."""
    return {"gaussdb-tasks": _render("cron.j2", schedule, cron_word)}


def for_kubernetes(schedule: Schedule) -> Mapping[str, str]:
    """Return a CronJob and the claim for its volume; with shards, the job has an index for each."""
    return {"gaussdb-tasks.yaml": _render("kubernetes.yaml.j2", schedule, kubernetes_word)}


def for_github_actions(schedule: Schedule) -> Mapping[str, str]:
    """Return a workflow; it restores the archive from its copy before each load.

    Raises:
        ConfigurationError: the load may take longer than a job.
    """
    excess = schedule.timeout_minutes - _MAX_JOB_MINUTES
    if excess > 0:
        message = (
            f"GitHub ends a job after {_MAX_JOB_MINUTES} minutes, but this load may take "
            f"{schedule.timeout_minutes}; set --max-minutes {excess} minutes lower, or use another "
            "scheduler"
        )
        raise ConfigurationError(message)
    return {"gaussdb-tasks.yml": _render("github-actions.yml.j2", schedule, github_word)}


def for_airflow(schedule: Schedule) -> Mapping[str, str]:
    """Return a Python module with a DAG."""
    return {"gaussdb_tasks_dag.py": _render("airflow.py.j2", schedule, shlex.quote)}


SCHEDULERS: Final[Mapping[str, Callable[[Schedule], Mapping[str, str]]]] = MappingProxyType(
    {
        "systemd": for_systemd,
        "cron": for_cron,
        "kubernetes": for_kubernetes,
        "github-actions": for_github_actions,
        "airflow": for_airflow,
    }
)


def systemd_word(word: str) -> str:
    """Quote a word of ExecStart; specifiers and variables are not expanded."""
    literal = word.replace("%", "%%").replace("$", "$$")
    if _PLAIN.fullmatch(word):
        return literal
    return '"' + literal.replace("\\", "\\\\").replace('"', '\\"') + '"'


def cron_word(word: str) -> str:
    """Quote a word of a crontab command; an unquoted percent sign would end the command."""
    return shlex.quote(word).replace("%", "\\%")


def kubernetes_word(word: str) -> str:
    """Quote an argument of a container; ``$(...)`` is not expanded."""
    return json.dumps(word.replace("$(", "$$("))


def github_word(word: str) -> str:
    """Quote a word of a shell command in a workflow; an expression is not evaluated."""
    return _without_expressions(shlex.quote(word))


def _without_expressions(text: str) -> str:
    return text.replace("${{", "${{ '${{' }}")


def _render(template: str, schedule: Schedule, quote: Callable[[str], str]) -> str:
    # The output is not HTML; `quote` escapes each word as the scheduler needs it.
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_TEMPLATES),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,  # noqa: S701 - see above
    )
    words: dict[str, Any] = {
        "schedule": schedule,
        "time": f"{schedule.hour:02}:{schedule.minute:02}",
        "words": [quote(word) for word in schedule.arguments],
        "program": quote(schedule.program),
        "command": " ".join(quote(word) for word in (schedule.program, *schedule.arguments)),
        "has_clouds": "--os-cloud" in schedule.arguments,
        "paths": service_paths(schedule.needed_files(), schedule.writes),
        # Every quarter of an hour, from the minute of the load on.
        "quarters": ",".join(str(each) for each in range(schedule.minute % 15, 60, 15)),
        "quote": quote,
        "repr": repr,
        "folder": json.dumps(str(schedule.data_dir)),
        "without_expressions": _without_expressions,
    }
    return environment.get_template(template).render(words)
