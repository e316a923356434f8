"""The URL of ``--to``."""

from pathlib import Path

import pytest

from gaussdb_tasks.errors import ConfigurationError
from gaussdb_tasks.publication.target import (
    DeltaTarget,
    DuckLakeTarget,
    PostgresServer,
    PostgresTarget,
    absolute_url,
    parse_target,
)

LOCAL = PostgresServer((("dbname", "tasks"), ("host", "db.example"), ("user", "loader")))


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("postgresql://loader@db.example/tasks", PostgresTarget(LOCAL)),
        ("postgres://loader@db.example/tasks", PostgresTarget(LOCAL)),
        ("ducklake:postgresql://loader@db.example/tasks", DuckLakeTarget(LOCAL, None)),
        (
            "ducklake:postgres:dbname=tasks host='db.example' user = loader",
            DuckLakeTarget(LOCAL, None),
        ),
        ("ducklake:postgres:postgresql://loader@db.example/tasks", DuckLakeTarget(LOCAL, None)),
        ("ducklake:/srv/lake.ducklake", DuckLakeTarget(Path("/srv/lake.ducklake"), None)),
        ("/srv/lake", DeltaTarget("/srv/lake")),
        ("s3://bucket/lake/", DeltaTarget("s3://bucket/lake")),
    ],
)
def test_a_url_names_a_target(url: str, expected: object) -> None:
    assert parse_target(url) == expected


def test_data_files_have_a_place_of_their_own() -> None:
    assert parse_target("ducklake:/srv/l", "s3://b/p") == DuckLakeTarget(Path("/srv/l"), "s3://b/p")
    with pytest.raises(ConfigurationError, match="--data-path is for"):
        parse_target("/srv/lake", "/srv/files")


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://loader:sec-ret-9@db.example/tasks",
        "postgresql://db.example/tasks?password=sec-ret-9",
        "postgresql://loader:sec%2Dret-9@db.example/tasks",
        "ducklake:postgresql://loader:sec-ret-9@db.example/tasks",
        "ducklake:postgres:dbname=tasks password=sec-ret-9",
        "ducklake:postgres:dbname=tasks password='sec-ret-9",
        "ducklake:postgres:dbname=tasks PASSWORD='sec-ret-9'",
        "ducklake:mysql:password=sec-ret-9",
        "s3://key:sec-ret-9@bucket/lake",
        "mysql://loader:sec-ret-9@db.example/tasks",
    ],
)
def test_a_password_in_a_url_is_refused_and_not_repeated(url: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        parse_target(url)
    assert "ret-9" not in str(refused.value)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "ducklake:",
        "ducklake:postgres:",
        "postgresql://db.example",
        "http://db/x",
        "postgresql://h:x/d",
    ],
)
def test_other_urls_are_refused_with_the_forms_that_fit(url: str) -> None:
    with pytest.raises(ConfigurationError, match="postgresql://HOST"):
        parse_target(url)


def test_a_target_has_a_name_that_is_safe_to_show() -> None:
    url = "postgresql://loader@db.example:5433/tasks?sslmode=require&passfile=/etc/pass"
    assert parse_target(url).name == "postgresql://db.example:5433/tasks"
    assert parse_target(f"ducklake:{url}").name == "ducklake:postgresql://db.example:5433/tasks"


def test_a_schedule_names_a_target_from_any_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    server = "postgresql://loader@db.example/tasks?sslmode=require"
    for url, expected in (
        ("ducklake:lake", f"ducklake:{tmp_path}/lake"),
        ("lake", f"{tmp_path}/lake"),
        ("s3://bucket/lake", "s3://bucket/lake"),
        (server, server),
        (f"ducklake:{server}", f"ducklake:{server}"),
    ):
        assert absolute_url(url) == expected
    assert parse_target("ducklake:lake", "files").folders == (tmp_path, tmp_path / "files")
    assert parse_target("lake").folders == (tmp_path / "lake",)
    assert parse_target(server).folders == ()


def test_values_of_libpq_are_quoted() -> None:
    server = PostgresServer((("dbname", "it's \\ x"),))
    assert "dbname='it\\'s \\\\ x'" in server.conninfo


def test_a_silent_server_and_a_locked_table_stop_no_night_for_ever() -> None:
    """The URL can have other limits."""
    target = parse_target("postgresql:///tasks?connect_timeout=3")
    assert isinstance(target, PostgresTarget)
    assert "connect_timeout='3'" in target.server.conninfo
    assert "options='-c lock_timeout=120s'" in target.server.conninfo
    assert "connect_timeout='15'" in LOCAL.conninfo
