"""The options that name the place of a publication."""

from dataclasses import dataclass

from gaussdb_tasks.cli.options import Decorator, option, refuse_without
from gaussdb_tasks.database.data_dir import refuse_own_path
from gaussdb_tasks.publication.publish import refuse_unusable
from gaussdb_tasks.publication.target import Target, parse_target


@dataclass(frozen=True, slots=True)
class PublishOptions:
    """The URL of a publication, and the place of a lake's files."""

    publish_to: str | None
    publish_data_path: str | None

    def target(self, *, option: str = "--publish-to") -> Target | None:
        """Return the target; None if no URL is given.

        Raises:
            ConfigurationError: the options are wrong, or a package for the target is missing.
        """
        needing = {"--publish-data-path": self.publish_data_path}
        refuse_without("--publish-to", self.publish_to, needing)
        if self.publish_to is None:
            return None
        target = parse_target(self.publish_to, self.publish_data_path, option=option)
        refuse_unusable(target)
        for place in (*target.folders, *target.files):
            refuse_own_path(place, option)
        return target


def data_path_option(*names: str) -> Decorator:
    """Declare the option for the place of a lake's files."""
    return option(
        *names,
        "publish_data_path",
        metavar="URL",
        help="Folder or s3://BUCKET/PREFIX of the data files of a DuckLake, when it is created.",
    )
