"""``gaussdb-tasks schedule``: secrets do not become arguments of the scheduled load."""

import pytest

from tests.support.commands import Command

SECRET = "s3cr3t"


@pytest.mark.parametrize(
    ("name", "url"),
    [
        ("archive-url", f"s3://key:{SECRET}@bucket/prefix"),
        ("endpoint", f"https://user:{SECRET}@gaussdb.test"),
        ("endpoint", f"https://gaussdb.test/?token={SECRET}"),
    ],
)
@pytest.mark.parametrize("is_variable", [True, False])
def test_a_url_with_credentials_is_refused(
    command: Command, name: str, url: str, *, is_variable: bool
) -> None:
    """The message names the variable to set instead, and does not show the credentials."""
    variable = f"GAUSSDB_TASKS_{name.replace('-', '_').upper()}"
    options, env = ([], {variable: url}) if is_variable else ([f"--{name}", url], {})
    run = command("schedule", "systemd", *options, env=env)
    assert run.exit_code == 2
    assert run.stdout == ""
    assert f"--{name}" in run.stderr
    assert variable in run.stderr or not is_variable
    assert SECRET not in run.stderr


def test_an_option_of_zero_is_kept(command: Command) -> None:
    """Zero is a value, not a missing one."""
    run = command("schedule", "cron", "--overlap-minutes", "0")
    assert run.exit_code == 0
    assert "--overlap-minutes 0" in run.stdout
