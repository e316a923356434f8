"""Let a role of PostgreSQL read what is published, and nothing more."""

from pathlib import Path
from typing import Final

import duckdb

from gaussdb_tasks.archive.archive_tables import quoted_text
from gaussdb_tasks.database.views import VIEW_SCHEMA
from gaussdb_tasks.errors import ConfigurationError
from gaussdb_tasks.foreign_text import visible
from gaussdb_tasks.model.tables import SCHEMA_NAME
from gaussdb_tasks.publication.postgres import (
    ask_server,
    attached_server,
    run_on_server,
    server_lock,
)
from gaussdb_tasks.publication.target import DuckLakeTarget, PostgresServer, PostgresTarget, Target

# PostgreSQL cuts longer names off.
_MAX_NAME_BYTES: Final = 63
# Even quoted, "public" stands for all roles.
_RESERVED: Final = frozenset({"public", "none"})
_SCHEMAS: Final = f"nspname in ('{SCHEMA_NAME}', '{VIEW_SCHEMA}')"
# A lake's catalogue has its tables in a schema that it may share with others.
_LAKE_TABLES: Final = r"relname like 'ducklake\_%'"
_CREATE: Final = """
    select format('create role %I nologin', {role}) as statement from pg_roles
    where rolname = current_user and (rolsuper or rolcreaterole)
"""
_OBJECTS: Final = """
    with objects as (
        select pg_class.oid, relowner, relnamespace, format('%I.%I', nspname, relname) as name
        from pg_class inner join pg_namespace on pg_namespace.oid = relnamespace
        where relkind in ('r', 'v') and {condition}
    ),
    schemas as (
        select oid, nspowner, format('%I', nspname) as name
        from pg_namespace where oid in (select relnamespace from objects)
    )
"""
# Without a right to grant, these would only warn.
_GRANTS: Final = """
    select format('grant connect on database %I to %I', current_database(), {role}) as statement
    where not has_database_privilege({role}, current_database(), 'connect')
    union all
    select format('grant usage on schema %s to %I', name, {role})
    from schemas where pg_has_role(nspowner, 'usage')
    union all
    select format('revoke create on schema %s from %I', name, {role})
    from schemas where pg_has_role(nspowner, 'usage')
    union all
    select format(
        'revoke all on %1$s from %2$I; grant select on %1$s to %2$I',
        string_agg(name, ', '), {role}
    )
    from objects where pg_has_role(relowner, 'usage') having count(*) > 0
"""
# A publication makes views again, and newer versions of this program more tables.
_LATER: Final = """
    union all
    select format(
        'alter default privileges in schema %s grant select on tables to %I', name, {role}
    )
    from schemas
"""
# Whatever gave it the right: a grant, all roles, or a role that it can become.
_FAULTS: Final = """
    , roles as (
        select oid, rolname, rolsuper or rolcreaterole as is_administrator
        from pg_roles where pg_has_role({role}, oid, 'member')
    )
    select 'it administers the server or its roles' as fault from roles where is_administrator
    union all
    select 'it may write files of the server' from roles
    where rolname in ('pg_execute_server_program', 'pg_write_server_files')
    union all
    select 'it may create schemas in the database' from roles
    where has_database_privilege(oid, current_database(), 'create')
    union all
    select 'it may create objects in schema ' || schemas.name
    from schemas, roles where has_schema_privilege(roles.oid, schemas.oid, 'create')
    union all
    select 'it may not use schema ' || name
    from schemas where not has_schema_privilege({role}, oid, 'usage')
    union all
    select 'it owns ' || objects.name from objects inner join roles on roles.oid = relowner
    union all
    select 'it may write ' || objects.name from objects, roles
    where has_table_privilege(
        roles.oid, objects.oid, 'insert, update, delete, truncate, references, trigger'
    ) or has_any_column_privilege(roles.oid, objects.oid, 'insert, update')
    union all
    select 'it may not read ' || name
    from objects where not has_table_privilege({role}, oid, 'select')
    limit 1
"""


def check_reader(target: Target, role: str) -> None:
    """Refuse a role that cannot be granted anything, before a publication.

    Raises:
        ConfigurationError: the target has no roles, or the name is not one of a role.
    """
    _server(target)
    is_reserved = role in _RESERVED or role.startswith("pg_") or "\0" in role
    if is_reserved or not 0 < len(role.encode()) <= _MAX_NAME_BYTES:
        message = (
            f"--grant: {visible(role)} cannot be the name of a role; choose "
            f"one of 1 to {_MAX_NAME_BYTES} bytes that PostgreSQL does not reserve"
        )
        raise ConfigurationError(message)


def grant_reading(target: Target, role: str, scratch: Path) -> None:
    """Let a role read what is published, now and after later publications.

    A missing role is created as a group, without a login. All of it is done, or nothing.

    Raises:
        ConfigurationError: the role can write, or the user cannot grant.
        PublicationError: the server cannot be reached.
        LockedError: a publication holds the lock for too long.
    """
    server = _server(target)
    with (
        attached_server(server, target.name, scratch, is_writing=True) as connection,
        server_lock(connection, server, target.name),
    ):
        connection.execute("begin transaction")
        _create_missing(connection, role)
        _grant(connection, role, is_lake=isinstance(target, DuckLakeTarget))
        connection.execute("commit")


def _create_missing(connection: duckdb.DuckDBPyConnection, role: str) -> None:
    literal = quoted_text(role)
    if ask_server(connection, f"select rolname from pg_roles where rolname = {literal}"):
        return
    statements = ask_server(connection, _CREATE.format(role=literal))
    if not statements:
        message = (
            f"--grant: there is no role {visible(role)}, and the user may not create one; run as "
            "administrator of the server: create role NAME nologin; the entries are published"
        )
        raise ConfigurationError(message)
    run_on_server(connection, "; ".join(statements))


def _grant(connection: duckdb.DuckDBPyConnection, role: str, *, is_lake: bool) -> None:
    literal = quoted_text(role)
    objects = _OBJECTS.format(condition=_LAKE_TABLES if is_lake else _SCHEMAS)
    later = "" if is_lake else _LATER  # a lake's catalogue gets no more tables
    granted = ask_server(connection, (objects + _GRANTS + later).format(role=literal))
    run_on_server(connection, "; ".join(granted))
    for fault in ask_server(connection, (objects + _FAULTS).format(role=literal)):
        message = (
            f"--grant: role {visible(role)} is not one that only reads: {visible(fault)}; change "
            "that on the server, or choose another role; the entries are published"
        )
        raise ConfigurationError(message)


def _server(target: Target) -> PostgresServer:
    """Return the server that has the roles of a target."""
    if isinstance(target, PostgresTarget):
        return target.server
    if isinstance(target, DuckLakeTarget) and isinstance(target.catalogue, PostgresServer):
        return target.catalogue
    message = (
        f"--grant is for PostgreSQL, and for a DuckLake with its catalogue there; {target.name} "
        "has no roles: give the right to read its files instead"
    )
    raise ConfigurationError(message)
