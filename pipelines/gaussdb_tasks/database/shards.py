"""Keep the projects of another shard out of a data directory."""

from gaussdb_tasks.database.data_dir import DataDir
from gaussdb_tasks.database.state import has_tables
from gaussdb_tasks.database.untrusted import read_untrusted
from gaussdb_tasks.errors import ConfigurationError
from gaussdb_tasks.foreign_text import visible
from gaussdb_tasks.model.project_state import ProjectKey
from gaussdb_tasks.model.shard import Shard, number_of


def refuse_other_shards(data_dir: DataDir, shard: Shard) -> None:
    """Refuse a data directory with a project that another shard reads.

    Two directories would have the project's tasks, each only a part of their history.

    Raises:
        ConfigurationError: it has one.
    """
    if not data_dir.database.exists():
        return
    with read_untrusted(data_dir.database) as connection:
        if not has_tables(connection):
            return
        sql = "select distinct region, project_id from task_center.load_runs order by all"
        projects = [ProjectKey(*row) for row in connection.execute(sql).fetchall()]
    for project in projects:
        number = number_of(project, shard.count)
        if number != shard.number:
            message = (
                f"{data_dir.path} has project {visible(project.project_id)}, which shard "
                f"{number}/{shard.count} reads, not {shard}; check --shard and --data-dir. If the "
                "number of shards was changed, set it back, or start each shard in a new directory"
            )
            raise ConfigurationError(message)
