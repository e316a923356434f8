"""What the engines that the views run on say differently: the tokens of ``sql/``.

A token is ``{{ name }}`` or ``{{ name('argument', ...) }}``. This is a subset of Jinja, so sqlfluff
can read the files as well. All other text is the same for all engines.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import accumulate
from types import MappingProxyType
from typing import Final, Literal

_TOKEN: Final = re.compile(r"\{\{ (?P<name>\w+)(?:\((?P<arguments>[^{}]*)\))? \}\}")
_ARGUMENT: Final = re.compile(r"""'[^']*'|"[^"]*\"""")
_COMMENT_OR_LITERAL: Final = re.compile(r"--[^\n]*|'(?:[^']|'')*'")
# Only PostgreSQL compares texts by language if it is not told otherwise.
_COLLATION: Final = ' collate "C"'

# What replaces a match, and the alternatives of the pattern: the first one that fits is used.
_MASKS: Final[Mapping[str, tuple[str, tuple[str, ...]]]] = MappingProxyType(
    {
        "white_space": (" ", (r"\s+",)),
        # not the apostrophes of "can't"
        "quoted_texts": ("<name>", (r"\B'[^']*'\B", r'"[^"]*"')),
        # dates and times in ISO 8601
        "times": (
            "<time>",
            (r"\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:Z|[+-]\d\d:?\d\d)?)?",),
        ),
        # UUIDs; ids of resources, which end in a suffix such as in14; other long hex numbers
        "ids": (
            "<id>",
            (
                r"[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}",
                r"[0-9A-Fa-f]{32}[A-Za-z]{2}\d\d",
                r"[0-9A-Fa-f]{16,}",
            ),
        ),
        # IPv6 in full, shortened in the middle or at its end, shortened at its start; IPv4
        "addresses": (
            "<address>",
            (
                r"\b(?:[0-9A-Fa-f]{1,4}:){7}[0-9A-Fa-f]{1,4}\b",
                r"\b[0-9A-Fa-f]{1,4}(?::[0-9A-Fa-f]{1,4})*::(?:[0-9A-Fa-f]{1,4}(?::[0-9A-Fa-f]{1,4})*\b)?",
                r"\B::[0-9A-Fa-f]{1,4}(?::[0-9A-Fa-f]{1,4})*(?:\.\d{1,3}){0,3}\b",
                r"\b\d{1,3}(?:\.\d{1,3}){3}\b",
            ),
        ),
        # not the numbers in error codes such as DBS.280001
        "numbers": (r"\1<n>", (r"(^|[^0-9.]|[^0-9A-Z]\.)\d+(?:[.,]\d+)*",)),
    }
)
# Elsewhere these classes include letters and digits of other scripts.
_ASCII_CLASSES: Final[Mapping[str, str]] = MappingProxyType(
    {
        r"\d": "[0-9]",
        r"\s": r"[ \t\n\f\r]",
        r"\b": "(?:(?<![0-9A-Za-z_])(?=[0-9A-Za-z_])|(?<=[0-9A-Za-z_])(?![0-9A-Za-z_]))",
        r"\B": "(?:(?<![0-9A-Za-z_])(?![0-9A-Za-z_])|(?<=[0-9A-Za-z_])(?=[0-9A-Za-z_]))",
    }
)
# DuckDB's trim removes all space separators of Unicode, other engines only U+0020.
_SPACES: Final = (0x20, 0xA0, 0x1680, *range(0x2000, 0x200B), 0x202F, 0x205F, 0x3000)


@dataclass(frozen=True, slots=True)
class Dialect:
    """The words of an engine.

    Args:
        tokens: the text of each token; {0}, {1}, ... are its arguments. `last` is the value of the
            row with the greatest keys, which are {1}; rows without a value do not count.
        pattern: makes a regular expression of its alternatives.
        literal: writes a literal of the SQL files.
        fragments: other files for includes.
    """

    name: str
    tokens: Mapping[str, str]
    pattern: Callable[[tuple[str, ...]], str] = "|".join
    literal: Callable[[str], str] = str
    fragments: Mapping[str, str] = field(default_factory=dict)
    has_collations: bool = False
    has_transactions: bool = True
    comments: Literal["statements", "statements on views only", "clauses"] = "statements"

    def render(self, text: str) -> str:
        """Replace the tokens of a SQL file, and write its literals.

        Raises:
            LookupError: there is no such token, or it has other arguments.
        """
        with_tokens = _COMMENT_OR_LITERAL.sub(self._literal, text)
        rendered = _TOKEN.sub(self._token, with_tokens)
        return rendered if self.has_collations else rendered.replace(_COLLATION, "")

    def _literal(self, found: re.Match[str]) -> str:
        return found[0] if found[0].startswith("--") else self.literal(found[0])

    def _token(self, token: re.Match[str]) -> str:
        name = token["name"]
        arguments = [each[1:-1] for each in _ARGUMENT.findall(token["arguments"] or "")]
        if name == "masked":
            return self._masked(*arguments)
        if name == "last":
            arguments[1:] = [", ".join(arguments[1:])]
        return self.tokens[name].format(*arguments)

    def _masked(self, column: str, mask: str) -> str:
        replacement, alternatives = _MASKS[mask]
        pattern, text = (
            self.literal("'" + each.replace("'", "''") + "'")
            for each in (self.pattern(alternatives), replacement)
        )
        return f"regexp_replace({column}, {pattern}, {text}{self.tokens['every_match']})"


def _with_ascii_classes(pattern: str) -> str:
    return re.sub(r"\\.", lambda escape: _ASCII_CLASSES.get(escape[0], escape[0]), pattern)


def _first_alternative(alternatives: tuple[str, ...]) -> str:
    """Make the first alternative win: in PostgreSQL the longest match does."""
    ascii_only = map(_with_ascii_classes, alternatives)
    *_, ordered = accumulate(ascii_only, lambda before, each: f"{before}|(?!{before}){each}")
    return ordered


def _escaped(literal: str) -> str:
    r"""Write a literal for Spark: `\` escapes, and `$1` is the first group of a match."""
    body = re.sub(
        r"\\(\d)|\\(\\?)",
        lambda found: f"${found[1]}" if found[1] else "\\\\" * (1 + len(found[2])),
        literal[1:-1].replace("''", "'"),
    )
    return "'" + body.replace("'", r"\'") + "'"


DUCKDB: Final = Dialect(
    "duckdb",
    MappingProxyType(
        {
            "double": "double",
            "div": "//",
            "every_match": ", 'g'",
            "milliseconds": "to_milliseconds({0})",
            "seconds_between": "date_diff('microsecond', {0}, {1}) / 1e6",
            "trim": "trim({0})",
            "last": "arg_max({0}, ({1}))",
            "clock": "coalesce(\n            cast(getvariable('gaussdb_tasks_now') as timestamp), "
            "make_timestamp(epoch_us(now()))\n        )",
        }
    ),
)
DUCKLAKE: Final = Dialect("ducklake", DUCKDB.tokens, comments="statements on views only")
_SORTED_GAPS: Final = MappingProxyType(
    {"fragments/uncovered_times.sql": "fragments/uncovered_times_sorted.sql"}
)
POSTGRES: Final = Dialect(
    "postgres",
    MappingProxyType(
        {
            "double": "double precision",
            "div": "/",
            "every_match": ", 'g'",
            "milliseconds": "{0} * interval '1 millisecond'",
            "seconds_between": "cast(extract(epoch from {1} - {0}) as double precision)",
            "trim": "btrim({0}, U&'" + "".join(f"\\{each:04x}" for each in _SPACES) + "')",
            "last": "(array_agg({0} order by ({1}) desc nulls last) filter (where {0} is not null))"
            "[1]",
            "clock": "coalesce(\n            "
            "cast(nullif(current_setting('gaussdb_tasks.now', true), '') as timestamp),\n"
            "            now() at time zone 'UTC'\n        )",
        }
    ),
    pattern=_first_alternative,
    fragments=_SORTED_GAPS,
    has_collations=True,
)
SPARK: Final = Dialect(
    "spark",
    MappingProxyType(
        {
            "double": "double",
            "div": "div",
            "every_match": "",
            "milliseconds": "{0} * interval '0.001' second",
            "seconds_between": "timestampdiff(microsecond, {0}, {1}) / 1e6",
            "trim": "trim(both '" + "".join(f"\\u{each:04x}" for each in _SPACES) + "' from {0})",
            "last": "max_by({0}, struct({1})) filter (where {0} is not null)",
            "clock": "current_timestamp()",
        }
    ),
    pattern=lambda alternatives: _with_ascii_classes("|".join(alternatives)),
    literal=_escaped,
    fragments=_SORTED_GAPS,
    has_transactions=False,
    comments="clauses",
)
DIALECTS: Final[Mapping[str, Dialect]] = MappingProxyType(
    {each.name: each for each in (DUCKDB, DUCKLAKE, POSTGRES, SPARK)}
)
