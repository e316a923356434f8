"""``gaussdb-tasks config``: effective settings and their source, without secrets."""

import json

import pytest

from gaussdb_tasks.cli import cli
from gaussdb_tasks.cli.group import LazyGroup
from gaussdb_tasks.cli.options import Option
from tests.support.commands import Command, command_named
from tests.support.config import effective, write_settings

assert isinstance(cli, LazyGroup)
CONFIGURABLE = [each.name for each in cli.subcommands if each.is_configurable]
SECRET = "s3cr3t"
URL = f"https://user:{SECRET}@proxy.test:3128/path?access_token={SECRET}"


def text_options(name: str) -> list[Option]:
    """Return the options of a command that take a value."""
    params = command_named(name).params
    return [param for param in params if isinstance(param, Option) and not param.is_flag]


@pytest.mark.parametrize("output_format", ["table", "json"])
@pytest.mark.parametrize("name", CONFIGURABLE)
def test_no_option_shows_the_credentials_of_a_url(
    command: Command, name: str, output_format: str
) -> None:
    """An option, its variable and the settings file: masked on stdout and in errors on stderr."""
    for option in text_options(name):
        long_name = max(option.opts, key=len)
        arguments = ["config", "--format", output_format, name, *required(name, long_name)]
        runs = [command(*arguments, long_name, URL)]
        if option.name != "output_format":  # the variable would set the format of config itself
            runs.append(command(*arguments, env={str(option.envvar): URL}))
        value = f'["{URL}"]' if option.multiple else f'"{URL}"'
        write_settings(f"[{name}]\n{long_name.removeprefix('--')} = {value}")
        runs.append(command(*arguments))
        write_settings("")
        for run in runs:
            assert run.exit_code in {0, 2}
            # A URL that is refused need not be shown at all.
            assert run.exit_code == 2 or "***" in run.stdout, (long_name, run)
            assert SECRET not in run.stdout + run.stderr, (long_name, run)


def required(name: str, tested: str) -> list[str]:
    """Return what a command needs besides the option that is tested."""
    arguments = {
        "changes": ["--since", "1"],
        "evidence": ["job"],
        "redact": ["--reason", "why"],
        "report": ["report.html"],
        "retention": ["--keep", "1y"],
        "schedule": ["cron"],
    }.get(name, [])
    return [] if tested in arguments else arguments


@pytest.mark.parametrize("output_format", ["table", "json"])
@pytest.mark.parametrize("value", [URL, f"user:{SECRET}@proxy.test:3128"])
def test_no_variable_shows_the_credentials_of_a_url(
    command: Command, value: str, output_format: str
) -> None:
    """Variables of the sign-in and of HTTP libraries are masked too, in any case."""
    names = (
        *("HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "NO_PROXY", "REQUESTS_CA_BUNDLE"),
        *("OS_AUTH_URL", "OS_CACERT", "OS_GAUSSDB_ENDPOINT_OVERRIDE", "AWS_ENDPOINT_URL"),
    )
    run = command("config", "--format", output_format, env=dict.fromkeys(names, value))
    assert run.exit_code == 0
    assert all(name in run.stdout for name in names)
    assert "proxy.test" in run.stdout
    assert SECRET not in run.stdout + run.stderr


def test_only_the_credentials_of_a_url_are_masked(command: Command) -> None:
    """Scheme, host and path are shown."""
    found = effective(command, "load", "--archive-url", f"s3://key:{SECRET}@bucket/prefix")
    assert found["archive-url"] == ["s3://***@bucket/prefix", "option"]


def test_secret_variables_are_masked(command: Command) -> None:
    """The variables of the sign-in are listed, their secrets are not."""
    env = {
        "OS_USERNAME": "ada",
        "OS_PASSWORD": "open sesame",
        "OS_SECRET_KEY": "sk-of-the-test",
        "GAUSSDB_TASKS_PING_URL": "https://ping.test/uuid",
    }
    run = command("config", "--format", "json", env=env)
    for secret in ("open sesame", "sk-of-the-test", "ping.test"):
        assert secret not in run.stdout
    found = {each["setting"]: [each["value"], each["source"]] for each in json.loads(run.stdout)}
    assert found["OS_USERNAME"] == ["ada", "environment"]
    assert found["OS_PASSWORD"] == ["***", "environment"]


def test_an_unknown_command_is_an_error(command: Command) -> None:
    """The message lists the commands."""
    run = command("config", "lod")
    assert run.exit_code == 2
    assert "load" in run.stderr
