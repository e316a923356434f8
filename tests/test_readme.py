"""The pages are correct: examples run; commands, options, links and paths exist."""

import json
import os
import re
import shlex
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import click
import duckdb
import pytest

from gaussdb_tasks.api.auth.clouds import Cloud
from gaussdb_tasks.emulator import Emulator, FixedWorld
from gaussdb_tasks.errors import ExitCode
from gaussdb_tasks.model.times import now
from tests.support import DATA, ROOT, developer_page, readme_blocks
from tests.support.commands import Command, contexts
from tests.support.emulator_client import OTHER_PROJECT, PROJECT, record

README = (ROOT / "README.md").read_text()
DEVELOPERS = (ROOT / "pipelines/README.md").read_text()
OPERATORS = (developer_page.PACKAGE / "deployment/README.md").read_text()
PAGES = sorted(
    [*ROOT.glob("*.md"), *(ROOT / "pipelines").rglob("*.md"), *(ROOT / "sql").rglob("*.md")]
)
EXAMPLE = DATA / "own_pipeline.py"
MAX_README_LINES, MAX_README_WORDS = 200, 1_500

every_page = pytest.mark.parametrize(
    "page", PAGES, ids=[str(page.relative_to(ROOT)) for page in PAGES]
)


def block(page: str, language: str, place: int = 0) -> str:
    """Return a fenced block of a page, without its indentation."""
    found = re.findall(rf"^( *)```{language}\n(.*?)^ *```", page, re.MULTILINE | re.DOTALL)
    indent, text = found[place]
    return re.sub(f"^{indent}", "", str(text), flags=re.MULTILINE)


def prose(page: Path) -> str:
    """Return a page without its fenced blocks and comments."""
    text = re.sub(r"^ *```.*?^ *```", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)
    return re.sub(r"<!--.*?-->", "", text, flags=re.DOTALL)


def sources(package: str) -> str:
    """Return the code of a package."""
    return "".join(file.read_text() for file in (developer_page.PACKAGE / package).glob("*.py"))


def test_the_readme_is_short() -> None:
    assert len(README.splitlines()) <= MAX_README_LINES
    assert len(README.split()) <= MAX_README_WORDS


def anchors(page: Path) -> set[str]:
    """Return the anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", prose(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@every_page
def test_every_link_has_a_target(page: Path) -> None:
    """Files and anchors of all relative links exist."""
    for target in re.findall(r"\]\(([^)\s]+)\)", prose(page)):
        if "://" in target:
            continue
        path, _, anchor = target.partition("#")
        file = (page.parent / path).resolve() if path else page
        assert file.exists(), target
        if anchor:
            assert anchor in anchors(file), target


def options_of(command: click.Command) -> set[str]:
    """Return the options of a command."""
    return {option for parameter in command.params for option in parameter.opts}


def known_options() -> dict[str, set[str]]:
    """Return the options of each command, and of all commands under an empty name."""
    known: dict[str, set[str]] = {}
    program, *commands = contexts()
    for context in commands:
        name = context.command_path.split()[1]  # that of the group, of a command in a group
        known.setdefault(name, options_of(program.command) | {"--help"})
        known[name] |= options_of(context.command)
    known["schedule"] |= known["load"]
    known[""] = set().union(*known.values())
    return known


def shown_commands(page: Path) -> Iterator[list[str]]:
    """Yield the arguments of each call of the program in a page's console blocks."""
    for _, text in re.findall(
        r"^( *)```console\n(.*?)^ *```", page.read_text(), re.MULTILINE | re.DOTALL
    ):
        lines = re.sub(r"\\\n", " ", text).splitlines()
        typed = [line.removeprefix("$ ") for line in lines if line.startswith("$ ")]
        for line in typed or lines:
            words = shlex.split(line, comments=True)
            for place, word in enumerate(words):
                if word.endswith("/bin/gaussdb-tasks") or (place, word) == (0, "gaussdb-tasks"):
                    yield words[place + 1 :]


@every_page
def test_every_command_in_a_console_exists(page: Path) -> None:
    """Each command exists and has the options that are shown with it."""
    known = known_options()
    for name, *arguments in shown_commands(page):
        assert name in known
        options = {word.partition("=")[0] for word in arguments if word.startswith("--")}
        assert options <= known[name], name


def test_every_shown_query_is_answered(command: Command, archive: Path) -> None:
    """Queries of README.md and sql/README.md run on a loaded database."""
    shown = [
        arguments
        for page in (ROOT / "README.md", ROOT / "sql/README.md")
        for name, *arguments in shown_commands(page)
        if name == "query"
    ]
    assert shown
    for arguments in shown:
        if "--data-dir" in arguments:
            place = arguments.index("--data-dir")
            del arguments[place : place + 2]
        run = command("query", *arguments, "--data-dir", archive / "data")
        assert run.exit_code == 0, run.stderr


@every_page
def test_every_option_in_prose_exists(page: Path) -> None:
    """An option after a command belongs to it; an option alone belongs to any command."""
    known = known_options()
    for code in re.findall(r"`([^`\n]+)`", prose(page)):
        words = code.removeprefix("gaussdb-tasks ").split()
        if not words or not (words[0].startswith("--") or words[0] in known):
            continue
        name = words[0] if words[0] in known else ""
        options = {word.partition("=")[0] for word in words if word.startswith("--")}
        assert options <= known[name], code


@every_page
def test_every_make_target_exists(page: Path) -> None:
    targets = set(re.findall(r"^([a-z0-9-]+):.*##", (ROOT / "Makefile").read_text(), re.MULTILINE))
    shown = set(re.findall(r"(?:`|^(?:\$ )?)make ([a-z0-9-]+)", page.read_text(), re.MULTILINE))
    assert shown <= targets


def test_no_page_loads_real_data_into_the_demo_folder(command: Command) -> None:
    """`make clean` removes data/demo, so no page and no output makes it the default."""
    demo = command("demo", "--nights", "1", "--tasks-per-day", "3")
    shown = "".join([*(page.read_text() for page in PAGES), demo.stdout, demo.stderr])
    assert not re.search(r"DATA_DIR=\S*demo", shown)
    assert not re.search(r"^.*gaussdb-tasks load .*data/demo", shown, re.MULTILINE)


def test_every_path_in_the_table_of_changes_exists() -> None:
    """Paths and tests in the table "To change X, go to Y" exist."""
    table = DEVELOPERS.partition("## To change X, go to Y")[2].partition("\n## ")[0]
    rows = [line.split(" | ") for line in table.splitlines() if line.startswith("| ")][1:]
    assert rows
    for _, *cells in rows:
        for path in re.findall(r"`([\w./*-]+(?:/|\.\w+))`", " ".join(cells)):
            is_below_root = path.startswith(("tests/", "sql/"))
            base = ROOT if is_below_root else developer_page.PACKAGE
            # digest.json is a file of each entry.
            assert path == "digest.json" or any(base.glob(path.rstrip("/"))), path


@pytest.mark.parametrize("code", ExitCode)
def test_every_exit_code_is_explained(code: ExitCode) -> None:
    assert f"| {code.value} |" in readme_blocks.written("exit_codes")


def test_every_remark_is_explained() -> None:
    """The operator's table has exactly the first words of a load's lines."""
    source = sources("cli") + sources("archive/mirror")
    explained = set(re.findall(r"^\| `(\w+:)` \|", OPERATORS, re.MULTILINE))
    written = set(
        re.findall(
            r"f?\"(failed|incomplete|rejected|lost|archive|timestamp|copies|publication|monitoring|note):",
            source,
        )
    )
    assert explained == {f"{word}:" for word in written}


def test_every_shown_metric_exists() -> None:
    source = sources("monitoring")
    for name in re.findall(r"^ *\| `gaussdb_tasks_(\w+)` \|", OPERATORS, re.MULTILINE):
        assert f'"{name}"' in source


def test_every_field_of_a_tombstone_is_described() -> None:
    """The archive's page has the keys of the golden archive's tombstones."""
    page = (developer_page.PACKAGE / "archive/README.md").read_text()
    table = page.partition("| field of the tombstone |")[2].partition("\n\n")[0]
    described = set(re.findall(r"`(\w+)`", table))
    tombstones = list((DATA / "golden-archive-1").rglob("*.removed.json"))
    assert tombstones
    for tombstone in tombstones:
        assert set(json.loads(tombstone.read_text())) == described


def test_the_sample_of_clouds_is_accepted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each cloud of the operator's sample can be read: password, access key, agency."""
    for name, text in {
        "clouds.yaml": block(OPERATORS, "yaml"),
        "secure.yaml": block(OPERATORS, "yaml", 1),
    }.items():
        (tmp_path / name).write_text(text)
    monkeypatch.setenv("OS_CLIENT_CONFIG_FILE", str(tmp_path / "clouds.yaml"))
    monkeypatch.setenv("OS_CLIENT_SECURE_FILE", str(tmp_path / "secure.yaml"))
    environ = {**os.environ, "OS_PASSWORD": "open sesame"}
    assert Cloud("otc-prod", environ).project_id is not None
    keys = Cloud("otc-keys", environ)
    assert keys.keys is not None
    assert keys.project_id is not None
    assert Cloud("otc-partner", environ).project_name == "eu-de_finance"
    (tmp_path / "clouds.yaml").write_text(block(README, "yaml"))
    assert Cloud("otc-prod", environ).project_id is not None


def test_the_sample_of_settings_is_accepted(command: Command) -> None:
    """Each key of the operator's sample is an option of the load."""
    sample = block(OPERATORS, "toml")
    Path("gaussdb_tasks.toml").write_text(sample)
    run = command("config", "load")
    assert run.exit_code == 0, run.stderr
    assert run.stdout.count("gaussdb_tasks.toml") == len(_leaves(tomllib.loads(sample)))


def _leaves(table: dict[str, object]) -> list[str]:
    leaves = [key for key, value in table.items() if not isinstance(value, dict)]
    nested = [value for value in table.values() if isinstance(value, dict)]
    return leaves + [key for each in nested for key in _leaves(each)]


def test_the_example_of_a_pipeline_runs(tmp_path: Path) -> None:
    """The example on the page loads two projects from a cloud of clouds.yaml."""
    settings = EXAMPLE.with_suffix(".toml").read_text()
    assert settings in DEVELOPERS
    (tmp_path / ".dlt").mkdir()
    (tmp_path / ".dlt/config.toml").write_text(settings)
    assert EXAMPLE.read_text().partition('"""\n\n')[2].rstrip() in DEVELOPERS
    tasks = [record(1, now() - 10**9, now())]
    with Emulator(FixedWorld({PROJECT: tasks, OTHER_PROJECT: tasks})) as emulator:
        (tmp_path / "clouds.yaml").write_text(
            f"""
clouds:
  otc-prod:
    region_name: eu-de
    gaussdb_endpoint_override: {emulator.endpoint}
    auth:
      auth_url: {emulator.auth_url}
      username: {emulator.account.user}
      password: {emulator.account.password}
      user_domain_name: {emulator.account.domain}
"""
        )
        run = subprocess.run(
            [sys.executable, str(EXAMPLE)],
            cwd=tmp_path,
            env={
                "HOME": str(tmp_path),
                "DLT_DATA_DIR": str(tmp_path),
                "RUNTIME__DLTHUB_TELEMETRY": "false",
            },
            capture_output=True,
            text=True,
            check=False,
        )
    assert (run.returncode, run.stderr) == (0, "")
    with duckdb.connect(tmp_path / "audit.duckdb", read_only=True) as connection:
        projects = connection.execute("select project_id from gaussdb.tasks order by 1").fetchall()
    assert projects == [(PROJECT,), (OTHER_PROJECT,)]
