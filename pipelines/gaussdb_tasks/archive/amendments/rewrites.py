"""Plan which rows and files an amendment rewrites."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from gaussdb_tasks.archive.amendments.context import AmendmentContext, in_order, union
from gaussdb_tasks.archive.archive_tables import ArchiveTable
from gaussdb_tasks.archive.manifest import RemovedFile
from gaussdb_tasks.archive.store import ChainEntry
from gaussdb_tasks.archive.tombstones import Place, files_of, removals


@dataclass(frozen=True, slots=True)
class RowChange:
    """A change to the rows of an archive table, in SQL over its columns.

    Expressions may refer to a row as ``stored``.

    Attributes:
        is_kept: a condition that is true for rows that stay.
        replaced: new expressions of columns, for rows that stay.
    """

    is_kept: str = "true"
    replaced: Mapping[str, str] = field(default_factory=dict)

    def apply(self, relation: str) -> str:
        """Return SQL for the rows of a relation after the change."""
        replaced = ", ".join(f"{sql} as {name}" for name, sql in self.replaced.items())
        columns = f"* replace ({replaced})" if replaced else "*"
        return f"(select {columns} from ({relation}) as stored where {self.is_kept})"

    @property
    def is_changed(self) -> str:
        """A condition that is true for rows that stay with a new value."""
        differing = (f"{name} is distinct from {sql}" for name, sql in self.replaced.items())
        return f"({self.is_kept}) and ({' or '.join(differing) or 'false'})"


@dataclass(frozen=True, slots=True)
class Effect:
    """The number of rows of a load that an amendment removes and changes."""

    rows_removed: int = 0
    rows_changed: int = 0


@dataclass(frozen=True, slots=True)
class Rewrite:
    """The rows of some loads after an amendment.

    Attributes:
        relation: a SELECT of all these rows, ordered by load, with the table's columns.
        effects: by the sequence of the load's entry.
        file_name: the name of the amendment's file; None for the usual one.
    """

    table: ArchiveTable
    relation: str
    effects: Mapping[int, Effect]
    file_name: str | None = None


def plan_rewrites(
    context: AmendmentContext, changes: Mapping[ArchiveTable, RowChange]
) -> list[Rewrite]:
    """Count what the changes do to each load, and select the rows to write.

    An affected file is rewritten with all loads that it holds.
    """
    rewrites = []
    for table, change in changes.items():
        effects = _effects(context, table, change)
        if not effects:
            continue
        sequences = _with_file_neighbours(context.chain, table, set(effects))
        rows = [each for each in context.rows(table) if each.load.manifest.sequence in sequences]
        relation = in_order(table, change.apply(union(table, rows)))
        all_effects = {sequence: effects.get(sequence, Effect()) for sequence in sequences}
        rewrites.append(Rewrite(table, relation, all_effects))
    return rewrites


def removed_files(
    chain: Sequence[ChainEntry], rewrites: Sequence[Rewrite]
) -> tuple[RemovedFile, ...]:
    """Return the earlier files that hold rewritten rows, with the rows removed and changed."""
    known, removed = files_of(chain), []
    for rewrite in rewrites:
        for place, sequences in _loads_by_file(chain, rewrite.table).items():
            effects = [rewrite.effects[each] for each in sequences & rewrite.effects.keys()]
            if effects:
                removed.append(
                    RemovedFile(
                        entry=place[0],
                        file=place[1],
                        file_sha256=known[place] or "",
                        rows_removed=sum(effect.rows_removed for effect in effects),
                        rows_changed=sum(effect.rows_changed for effect in effects),
                    )
                )
    return tuple(sorted(removed, key=lambda file: (file.entry, file.file)))


def _effects(
    context: AmendmentContext, table: ArchiveTable, change: RowChange
) -> dict[int, Effect]:
    rows = context.rows(table)
    if not rows:
        return {}
    sql = f"""
        select
            _dlt_load_id,
            count(*) filter (where not ({change.is_kept})),
            count(*) filter (where {change.is_changed})
        from ({union(table, rows)}) as stored
        group by all
    """
    counts = {
        load_id: Effect(*numbers)
        for load_id, *numbers in context.connection.execute(sql).fetchall()
    }
    return {
        each.load.manifest.sequence: effect
        for each in rows
        if (effect := counts.get(each.load_id, Effect())) != Effect()
    }


def _with_file_neighbours(
    chain: Sequence[ChainEntry], table: ArchiveTable, sequences: set[int]
) -> set[int]:
    """Add the loads that share a file with the given ones, directly or through others."""
    groups = list(_loads_by_file(chain, table).values())
    found, size = set(sequences), 0
    while size != len(found):
        size = len(found)
        for group in groups:
            if group & found:
                found |= group
    return found


def _loads_by_file(chain: Sequence[ChainEntry], table: ArchiveTable) -> dict[Place, set[int]]:
    """Return a table's files that still exist, with the loads that have rows in each."""
    removed = {removal.place for removal in removals(chain)}
    found: dict[Place, set[int]] = {}
    for entry in chain:
        file = entry.file(table.name)
        if file is None or (entry.name, file.name) in removed:
            continue
        loads = {each.sequence for each in entry.manifest.restates if each.table == table.name}
        if entry.manifest.load is not None:
            loads.add(entry.manifest.sequence)
        if loads:
            found[entry.name, file.name] = loads
    return found
