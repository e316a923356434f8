"""Show what ``make bench`` measured, as Markdown; pages get it from the last run that was kept."""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

MEASURED: Final = Path(__file__).parent / "measured.json"
OURS: Final = "this program"
PEER: Final = "dlt rest_api, Parquet files"


def print_tables() -> None:
    """Print the tables of the last run that was kept."""
    print(markdown(_kept()))


def print_line() -> None:
    """Print what the largest first load costs, here and with dlt's own source."""
    loads = _kept()["loads"]
    size = max((name for name in loads if name.replace(",", "").isdigit()), key=_number)
    ours, theirs = loads[size][OURS], loads[size][PEER]
    print(
        f"A first load of {size} tasks takes {ours['wall']:.1f} s and {ours['peak']:,.0f} MB of "
        f"memory; dlt's `rest_api`\nsource, without history, archive and checks, "
        f"{theirs['wall']:.1f} s: [benchmarks](tests/benchmarks/README.md)."
    )


def _number(text: str) -> int:
    return int(text.replace(",", ""))


def markdown(measured: Mapping[str, Any]) -> str:
    """Return the machine, the table of loads and the table of small commands."""
    machine = ", ".join(f"{name} {value}" for name, value in measured["machine"].items())
    loads = measured["loads"]
    names = next(iter(loads.values()))
    of_loads = [
        [
            name,
            *(_cells(of_size[name], "wall", "cpu", "peak", "calls") for of_size in loads.values()),
        ]
        for name in names
    ]
    of_commands = [
        [name, _cells(cost, "wall", "cpu")] for name, cost in measured["commands"].items()
    ]
    return "\n".join(
        (
            f"Machine: {machine}.",
            "",
            "Wall s / CPU s / peak MB / calls, by the number of tasks:",
            "",
            *_table(["loader", *loads], of_loads),
            "",
            "Wall s / CPU s, with a database of 10,000 tasks:",
            "",
            *_table(["command", "cost"], of_commands),
        )
    )


def _kept() -> dict[str, Any]:
    measured: dict[str, Any] = json.loads(MEASURED.read_text())
    return measured


_FORMATS: Final = {"wall": "{:.2f}", "cpu": "{:.2f}", "peak": "{:,.0f}", "calls": "{:,}"}


def _cells(cost: Mapping[str, float], *kinds: str) -> str:
    return " / ".join(_FORMATS[kind].format(cost[kind]) for kind in kinds)


def _table(head: list[str], rows: Iterable[list[str]]) -> list[str]:
    rule = ["---", *["---:"] * (len(head) - 1)]
    return [f"| {' | '.join(row)} |" for row in (head, rule, *rows)]
