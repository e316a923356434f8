"""The tools that read the database, as sql/README.md shows them; tests run these commands."""

from dataclasses import dataclass
from typing import Final

from tests.support.tool_environments import OTHER_DUCKDBS, PINNED, TOOLS, version

DATABASE: Final = "data/gaussdb_tasks.duckdb"

DUCKDBS: Final = (OTHER_DUCKDBS[0], PINNED, TOOLS, OTHER_DUCKDBS[1])
"""The environments of all DuckDB versions that open the file, oldest first."""

ASK: Final = f'duckdb -readonly {DATABASE} "from failure_rates_by_week"'
REOPEN: Final = f".open --readonly {DATABASE}"
CONNECT: Final = f'connection = duckdb.connect("{DATABASE}", read_only=True)'
ATTACH: Final = f"attach '{DATABASE}' as latest (read_only)"
PANDAS_READ: Final = 'connection.sql("from tasks").df()'
POLARS_READ: Final = 'connection.sql("from tasks").pl()'
IBIS_CONNECT: Final = f'connection = ibis.duckdb.connect("{DATABASE}", read_only=True)'
IBIS_DISCONNECT: Final = "connection.disconnect()"
IBIS_READ: Final = 'connection.table("tasks")'
BROWSE: Final = f"harlequin --read-only {DATABASE}"

_DUCKDB_VERSIONS: Final = ", ".join(version(name, "duckdb") for name in DUCKDBS)


@dataclass(frozen=True)
class Tool:
    """A tool: how it opens the database, how it gets to the next load, and whether it was tried."""

    name: str
    opens: str
    renews: str
    tried: str


SHOWN_TOOLS: Final = (
    Tool(
        name=f"duckdb, its command line, {version(TOOLS, 'duckdb-cli')}",
        opens=f"`{ASK}`",
        renews=f"`{REOPEN}`, or start it again",
        tried="in a test",
    ),
    Tool(
        name=f"Python with duckdb {_DUCKDB_VERSIONS}",
        opens=f"`{CONNECT}`",
        renews=f"close every connection to the file and connect again, or `{ATTACH}`",
        tried="in a test",
    ),
    Tool(
        name=f"pandas {version(TOOLS, 'pandas')}",
        opens=f"`{PANDAS_READ}`",
        renews="as in Python",
        tried="in a test",
    ),
    Tool(
        name=f"polars {version(TOOLS, 'polars')}",
        opens=f"`{POLARS_READ}`",
        renews="as in Python",
        tried="in a test",
    ),
    Tool(
        name=f"ibis {version(TOOLS, 'ibis-framework')}, with duckdb below 2",
        opens=f"`{IBIS_CONNECT}`, `{IBIS_READ}`",
        renews=f"`{IBIS_DISCONNECT}`, connect again",
        tried="in a test",
    ),
    Tool(
        name=f"Harlequin {version(TOOLS, 'harlequin')}",
        opens=f"`{BROWSE}`",
        renews="quit, start it again",
        tried="in a test, and by hand",
    ),
    Tool(
        name="DBeaver",
        opens="the connection's driver property `duckdb.read_only` set to `true`",
        renews="disconnect, connect again",
        tried="**not tried**",
    ),
    Tool(
        name="Metabase with MotherDuck's DuckDB driver",
        opens='the option "Establish a read-only connection"',
        renews="restart it, unless its connections end by themselves",
        tried="**not tried**",
    ),
)
