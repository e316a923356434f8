"""The surroundings that dlt sees during a load: one folder, and our settings only."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dlt.common.configuration.providers import CustomLoaderDocProvider
from dlt.common.configuration.providers.provider import ConfigProvider
from dlt.common.runtime.run_context import RunContext


class ConfinedContext(RunContext):
    """A run context of dlt without variables, without ``.dlt`` folders, in one folder."""

    def __init__(self, folder: Path, settings: Mapping[str, Any]) -> None:
        super().__init__(str(folder))
        self._folder = str(folder)
        self._settings = settings

    @property
    def global_dir(self) -> str:
        """Return the folder in place of ``~/.dlt``."""
        return self._folder

    @property
    def run_dir(self) -> str:
        """Return the folder in place of the current one or ``DLT_PROJECT_DIR``."""
        return self._folder

    @property
    def local_dir(self) -> str:
        """Return the folder in place of the current one or ``DLT_LOCAL_DIR``."""
        return self._folder

    @property
    def settings_dir(self) -> str:
        """Return the folder in place of ``./.dlt``."""
        return self._folder

    @property
    def data_dir(self) -> str:
        """Return the folder in place of ``~/.dlt`` or ``DLT_DATA_DIR``."""
        return self._folder

    def initial_providers(self) -> list[ConfigProvider]:
        """Return our settings as the only source of configuration."""
        return [CustomLoaderDocProvider("gaussdb-tasks", lambda: dict(self._settings))]
