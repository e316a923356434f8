"""The tools that read the database, as documented in sql/README.md; tests run these commands."""

from dataclasses import dataclass
from typing import Final

from tests.support.tool_environments import OTHER_DUCKDBS, PINNED, TOOLS, version

DATABASE: Final = "data/gaussdb_tasks.duckdb"

DUCKDBS: Final = (OTHER_DUCKDBS[0], PINNED, TOOLS, OTHER_DUCKDBS[1])
"""The environments of all DuckDB versions that open the file, oldest first."""

QUERY_COMMAND: Final = f'duckdb -readonly {DATABASE} "from failure_rates_by_week"'
REOPEN: Final = f".open --readonly {DATABASE}"
CONNECT: Final = f'connection = duckdb.connect("{DATABASE}", read_only=True)'
ATTACH: Final = f"attach '{DATABASE}' as latest (read_only)"
PANDAS_READ: Final = 'connection.sql("from tasks").df()'
POLARS_READ: Final = 'connection.sql("from tasks").pl()'
IBIS_CONNECT: Final = f'connection = ibis.duckdb.connect("{DATABASE}", read_only=True)'
IBIS_DISCONNECT: Final = "connection.disconnect()"
IBIS_READ: Final = 'connection.table("tasks")'
BROWSE_COMMAND: Final = f"harlequin --read-only {DATABASE}"

_DUCKDB_VERSIONS: Final = ", ".join(version(name, "duckdb") for name in DUCKDBS)


@dataclass(frozen=True)
class Tool:
    """A tool, with commands in Markdown.

    Attributes:
        name: with its version, if a test runs it.
        opens: the command that opens the database read-only.
        refreshes: the command that shows the next load.
        tried: whether it was tried, and how.
    """

    name: str
    opens: str
    refreshes: str
    tried: str


DOCUMENTED_TOOLS: Final = (
    Tool(
        name=f"duckdb, its command line, {version(TOOLS, 'duckdb-cli')}",
        opens=f"`{QUERY_COMMAND}`",
        refreshes=f"`{REOPEN}`, or start it again",
        tried="in a test",
    ),
    Tool(
        name=f"Python with duckdb {_DUCKDB_VERSIONS}",
        opens=f"`{CONNECT}`",
        refreshes=f"close every connection to the file and connect again, or `{ATTACH}`",
        tried="in a test",
    ),
    Tool(
        name=f"pandas {version(TOOLS, 'pandas')}",
        opens=f"`{PANDAS_READ}`",
        refreshes="as in Python",
        tried="in a test",
    ),
    Tool(
        name=f"polars {version(TOOLS, 'polars')}",
        opens=f"`{POLARS_READ}`",
        refreshes="as in Python",
        tried="in a test",
    ),
    Tool(
        name=f"ibis {version(TOOLS, 'ibis-framework')}, with duckdb below 2",
        opens=f"`{IBIS_CONNECT}`, `{IBIS_READ}`",
        refreshes=f"`{IBIS_DISCONNECT}`, connect again",
        tried="in a test",
    ),
    Tool(
        name=f"Harlequin {version(TOOLS, 'harlequin')}",
        opens=f"`{BROWSE_COMMAND}`",
        refreshes="quit, start it again",
        tried="in a test, and by hand",
    ),
    Tool(
        name="DBeaver",
        opens="the connection's driver property `duckdb.read_only` set to `true`",
        refreshes="disconnect, connect again",
        tried="**not tried**",
    ),
    Tool(
        name="Metabase with MotherDuck's DuckDB driver",
        opens='the option "Establish a read-only connection"',
        refreshes="restart it, unless its connections end by themselves",
        tried="**not tried**",
    ),
)
