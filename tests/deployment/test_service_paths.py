"""The paths in a systemd unit: what the load needs is visible, and only folders are writable."""

from pathlib import Path

import pytest

from gaussdb_tasks.deployment import service_paths as module
from gaussdb_tasks.deployment.service_paths import service_paths
from tests.support.commands import Command

SRV = Path("/srv/data")


def unit_of(command: Command, *options: str | Path) -> tuple[list[tuple[str, str]], str]:
    """Return the directives of a service, and what was written to stderr."""
    Path("units").mkdir()
    run = command("schedule", "systemd", "--output", "units", *options)
    assert run.exit_code == 0, run.stderr
    lines = Path("units/gaussdb-tasks.service").read_text().splitlines()
    pairs = (line.partition("=") for line in lines if not line.startswith("#"))
    return [(name, value) for name, _, value in pairs], run.stderr


def test_folders_that_options_name_are_writable(command: Command) -> None:
    """Those of the metrics file and of a local copy too, also from the settings file."""
    Path("gaussdb_tasks.toml").write_text('[load]\nmetrics-file = "/var/lib/nodes/g.prom"\n')
    options = ("--data-dir", SRV, "--archive-url", "file:///mnt/copies", "--program", "/opt/g/g")
    directives, _ = unit_of(command, *options)
    written = [value for name, value in directives if name == "ReadWritePaths"]
    assert written == ['"-/srv/data"', '"-/var/lib/nodes"', '"-/mnt/copies"']


def test_a_line_end_in_a_path_of_the_settings_file_is_refused(command: Command) -> None:
    """It would begin a directive of its own."""
    Path("gaussdb_tasks.toml").write_text('[load]\nmetrics-file = "/a\\nUser=root/g.prom"\n')
    run = command("schedule", "systemd", "--data-dir", SRV)
    assert run.exit_code == 2
    assert "schedules cannot have line ends" in run.stderr


def test_a_store_elsewhere_is_not_a_path(command: Command) -> None:
    directives, _ = unit_of(command, "--data-dir", SRV, "--archive-url", "s3://bucket/prefix")
    assert [value for name, value in directives if name == "ReadWritePaths"] == ['"-/srv/data"']


def test_a_relative_copy_is_scheduled_as_an_absolute_path(command: Command) -> None:
    """The service starts in another directory."""
    directives, _ = unit_of(command, "--archive-url", "copies")
    (start,) = (value for name, value in directives if name == "ExecStart")
    assert f"--archive-url {Path('copies').absolute()}" in start


def test_what_is_in_homes_and_temporary_folders_is_bound() -> None:
    """Instead of the homes there is an empty file system."""
    found = service_paths(
        reads=[Path("/root/venv"), Path("/root/venv/bin/g"), Path("/etc/g"), Path("/tmp/key.pem")],  # noqa: S108
        writes=[Path("/home/ada/data"), SRV],
    )
    assert found.bind_read_only == ['"-/root/venv"', '"-/tmp/key.pem"']
    assert found.bind == ['"-/home/ada/data"']
    assert found.read_write == ['"-/srv/data"']
    assert found.protect_home == "tmpfs"
    assert service_paths(reads=[Path("/tmp/x")], writes=[SRV]).protect_home == "true"  # noqa: S108


def test_links_into_and_out_of_homes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A link and its target are both visible."""
    homes, outside = tmp_path / "home", tmp_path / "outside"
    (homes / "data").mkdir(parents=True)
    outside.mkdir()
    (outside / "to-home").symlink_to(homes / "data")
    (homes / "to-outside").symlink_to(outside)
    monkeypatch.setattr(module, "HOMES", (homes,))
    monkeypatch.setattr(module, "TEMPORARY", ())
    found = service_paths(reads=[], writes=[outside / "to-home", homes / "to-outside"])
    assert found.bind == [f'"-{homes}/data"', f'"-{outside}:{homes}/to-outside"']
    assert found.read_write == []
    assert found.protect_home == "tmpfs"


def test_characters_that_systemd_expands_are_escaped() -> None:
    found = service_paths(reads=[], writes=[Path('/srv/100% "a" $b\\c'), Path("/home/a:b")])
    assert found.read_write == ['"-/srv/100%% \\"a\\" $b\\\\c"']
    assert found.bind == ['"-/home/a\\\\:b"']


def test_files_that_settings_name_are_bound(command: Command, tmp_path: Path) -> None:
    """A CA bundle of clouds.yaml, or a file that a variable names."""
    bundle, ping = tmp_path / "ca.pem", tmp_path / "ping url"
    for file in (bundle, ping):
        file.touch()
    (tmp_path / "clouds.yaml").write_text(f"clouds:\n  otc:\n    cacert: {bundle}\n")
    (tmp_path / "environment").write_text(f"REQUESTS_CA_BUNDLE='{bundle}'\nOS_CACERT=/no/file\n")
    directives, _ = unit_of(command, "--credentials", tmp_path, "--data-dir", SRV)
    bound = [value for name, value in directives if name == "BindReadOnlyPaths"]
    # pytest's folders are below /tmp; the folder of the credentials holds both files.
    assert f'"-{tmp_path}"' in bound
    assert not any("/no/file" in value for value in bound)


def test_the_environment_of_a_program_is_bound(command: Command, tmp_path: Path) -> None:
    """And the Python that it is based on."""
    base, environment = tmp_path / "base", tmp_path / "environment"
    for folder in (base / "bin", environment / "bin"):
        folder.mkdir(parents=True)
    (base / "bin/python3.11").touch()
    (environment / "bin/python").symlink_to(base / "bin/python3.11")
    program = environment / "bin/gaussdb-tasks"
    program.touch()
    directives, stderr = unit_of(command, "--program", program, "--data-dir", SRV)
    bound = [value for name, value in directives if name == "BindReadOnlyPaths"]
    assert bound == [f'"-{environment}"', f'"-{base}"']
    assert f"{program}: services cannot see home directories" in stderr
