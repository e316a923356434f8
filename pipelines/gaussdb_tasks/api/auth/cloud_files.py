"""Read ``clouds.yaml``, ``secure.yaml`` and the ``OS_*`` variables, strictly.

openstacksdk reads the files. It ignores a broken file, takes the first of several regions, and
accepts numbers where a text is meant. So the content is checked here before it is used.
"""

import os
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import yaml

from gaussdb_tasks.api.auth import cloud_settings, regions
from gaussdb_tasks.api.auth.cloud_settings import OWN_SETTINGS
from gaussdb_tasks.errors import ConfigurationError, GaussdbTasksError
from gaussdb_tasks.foreign_text import clean
from gaussdb_tasks.known_secrets import is_secret_name, remember
from gaussdb_tasks.os_errors import explain

_KEYS: Final = frozenset({"ak", "sk", "security_token"})
_BOOLEANS: Final = frozenset({"insecure", "verify"})
_TEXTS: Final = frozenset(
    {
        *OWN_SETTINGS,
        *("auth_type", "auth_url", "password", "passcode", "project_domain_id"),
        *("project_domain_name", "project_id", "project_name", "region_name", "token"),
        *("user_domain_id", "user_domain_name", "user_id", "username", "domain_id", "domain_name"),
    }
)
"""Settings that are texts; ``auth`` has no others."""


class CloudFiles:
    """The content of the files and the variables for one cloud.

    Attributes:
        config: the ``OpenStackConfig``; untyped, because its results are.
    """

    def __init__(self, cloud: str | None) -> None:
        """Read the files; None for the cloud of the ``OS_*`` variables.

        Raises:
            ConfigurationError: a file is broken, or does not have the cloud.
        """
        self.config = _read_files(cloud)
        self._cloud = cloud
        self.name = f"cloud {cloud!r}" if cloud else "the OS_* variables"
        clouds = self.config.cloud_config.get("clouds") or {}
        self._raw = clouds.get(cloud or self.config.envvar_key, {})
        if not isinstance(self._raw, dict):
            message = f"{self.name}: it has no settings; write them below its name, indented"
            raise ConfigurationError(message)
        _clean_values(self._raw)
        for settings, path in self._parts():
            _refuse_numbers(settings, f"{self.name}: {path}")
            for name in _BOOLEANS & settings.keys():
                shown = f"{self.name}: {path}{name}"
                settings[name] = cloud_settings.as_boolean(settings[name], shown)
        if cloud is not None:
            self._refuse_dropped()

    def regions(self, requested: str | None, project_name: str | None) -> tuple[str | None, ...]:
        """Return the regions of the cloud to read; None for a region that is not set.

        All regions of the list ``regions``, or the requested one.

        Raises:
            ConfigurationError: the cloud does not have the requested region.
        """
        if self._cloud is None:
            if "," in str(self._raw.get("region_name") or ""):
                message = "OS_REGION_NAME has several regions; set one, or use clouds.yaml"
                raise ConfigurationError(message)
            return (None,)
        known = [str(each["name"]) for each in self.config._get_known_regions(self._cloud)]  # noqa: SLF001 - there is no public way
        if len(known) <= 1:
            return tuple(known) or (None,)
        if requested is not None:
            if requested not in known:
                message = (
                    f"{self.name} has no region {requested!r}; its regions: "
                    f"{regions.in_order_of_similarity(requested, tuple(known))}"
                )
                raise ConfigurationError(message)
            return (requested,)
        if self._raw.get("regions") or self._raw.get("region_name"):
            return tuple(known)
        # The regions are those of a profile: the user did not choose them.
        of_project = regions.region_of_project(project_name or "")
        if of_project in known:
            return (of_project,)
        message = (
            f"{self.name}: no region is set; set region_name, or give --region; "
            f"its profile has: {', '.join(known)}"
        )
        raise ConfigurationError(message)

    def project_name(self) -> str | None:
        """Return the name of the project that is set for all regions, if there is one."""
        name = (self._raw.get("auth") or {}).get("project_name") or self._raw.get("project_name")
        return str(name) if name else None

    def take_own_settings(self, region: str | None) -> dict[str, str | None]:
        """Remove the settings of this cloud's tools, and return them; those of a region win."""
        own: dict[str, str | None] = dict.fromkeys(OWN_SETTINGS)
        for settings, path in self._parts():
            is_of_region = path.startswith("regions")
            for name in OWN_SETTINGS:
                value = settings.pop(name, None)
                is_mine = not is_of_region or path.startswith(f"regions {region} ")
                if value and is_mine and (is_of_region or own[name] is None):
                    own[name] = str(value)
        for name in _KEYS:
            remember(own[name] if name != "ak" else None)
        return own

    def has(self, name: str) -> bool:
        """Return whether the files or the variables have a setting."""
        return any(settings.get(name) for settings, _ in self._parts())

    def take(self, name: str) -> str | None:
        """Remove a setting from the cloud, and return it."""
        values = [settings.pop(name, None) for settings, _ in self._parts()]
        return next((str(value) for value in values if value), None)

    def _refuse_dropped(self) -> None:
        parts = [*self._parts(), *self._public_profile()]
        with_key = {_scope(path) for settings, path in parts if settings.get("ak")}
        types = [each.get("auth_type") or each.get("auth_plugin") for each, _ in parts]
        options = cloud_settings.options_of(filter(None, types))
        for settings, path in parts:
            if with_key & {_scope(path), ""}:
                cloud_settings.refuse_other_sign_in(settings, path, self.name)
            cloud_settings.refuse_dropped(settings, path, self.name, options)
        client = self.config.extra_config.get("client") or {}
        cloud_settings.refuse_dropped(client, "client.", self.config.config_filename, frozenset())

    def _public_profile(self) -> Iterator[tuple[dict[str, Any], str]]:
        """Yield the settings that the cloud takes from a file of profiles of the user."""
        profile = self._raw.get("profile") or self._raw.get("cloud")
        _, content = self.config._load_vendor_file()  # noqa: SLF001 - there is no public way
        profiles = (content or {}).get("public-clouds") or {}
        yield from self._with_auth(profiles.get(profile), f"profile {profile} ")

    def _parts(self) -> Iterator[tuple[dict[str, Any], str]]:
        """Yield the mappings of settings and their paths in the file; the most general first."""
        yield from self._with_auth(self._raw, "")
        listed = self._raw.get("regions") or []
        if not isinstance(listed, list) or not all(map(_has_name, listed)):
            message = (
                f"{self.name}: regions is not a list of names; write it like: "
                "regions: [eu-de, eu-nl]"
            )
            raise ConfigurationError(message)
        for region in listed:
            if isinstance(region, dict):
                path = f"regions {region.get('name')} "
                yield from self._with_auth(region.get("values") or {}, path)

    def _with_auth(self, settings: Any, path: str) -> Iterator[tuple[dict[str, Any], str]]:
        if not isinstance(settings, dict):
            return
        auth = settings.get("auth", {})
        if not isinstance(auth, dict):
            message = f"{self.name}: {path}auth has no settings; write them below it, indented"
            raise ConfigurationError(message)
        yield auth, f"{path}auth."
        yield settings, path


def cloud_names() -> tuple[str, ...]:
    """Return the names in the ``clouds.yaml`` that a sign-in reads; none if it cannot be read.

    Without openstacksdk, which takes too long for a completion.
    """
    for path in _clouds_yaml_paths():
        if path.is_file():
            with suppress(GaussdbTasksError):
                return tuple(map(str, _read_clouds(path)))
            return ()
    return ()


def _clouds_yaml_paths() -> Iterator[Path]:
    named = clean(os.environ.get("OS_CLIENT_CONFIG_FILE", ""))
    if named:
        yield Path(named)
    home = Path("~").expanduser()
    user = Path(os.environ.get("XDG_CONFIG_HOME") or home / ".config", "openstack")
    for folder in (Path(), user, home / ".config/openstack", Path("/etc/openstack")):
        yield from (folder / f"clouds{suffix}" for suffix in (".yaml", ".yml", ".json"))


def import_openstack() -> Any:
    """Import openstacksdk, which takes 0.4 s; a ready token does not need it.

    Raises:
        ConfigurationError: the user has no home directory, where openstacksdk looks for files.
    """
    try:
        import openstack.config.loader  # noqa: PLC0415
        import openstack.exceptions  # noqa: PLC0415
    except (KeyError, RuntimeError) as error:
        message = (
            "the home directory of this user is not known: HOME is not set, and the user has no "
            "entry in the list of users; set HOME"
        )
        raise ConfigurationError(message) from error
    return openstack


def _has_name(region: Any) -> bool:
    return isinstance(region.get("name") if isinstance(region, dict) else region, str)


def _scope(path: str) -> str:
    return path.removesuffix("auth.")


def _clean_values(settings: dict[str, Any]) -> None:
    """Strip every text of a cloud, and remember its secrets."""
    for name, value in settings.items():
        if isinstance(value, str):
            settings[name] = clean(value)
            if is_secret_name(name):
                remember(settings[name])
        elif isinstance(value, dict):
            _clean_values(value)
        elif isinstance(value, list):
            for each in value:
                if isinstance(each, dict):
                    _clean_values(each)


def _refuse_numbers(settings: Mapping[str, Any], path: str) -> None:
    """Refuse values that YAML does not read as a text: 0123456 without quotes becomes 42798."""
    for name, value in settings.items():
        is_text = name in _TEXTS or path.endswith("auth.")
        if (is_text and isinstance(value, (bool, int, float))) or _is_date(value):
            message = (
                f"{path}{name} is not a text for YAML, which reads it as a number, a date or "
                f"true/false; put it in quotes: {name}: '...'"
            )
            raise ConfigurationError(message)


def _is_date(value: object) -> bool:
    return hasattr(value, "isoformat")


def _read_files(cloud: str | None) -> Any:
    loader = import_openstack().config.loader
    named_files = filter(
        None, map(os.environ.get, ("OS_CLIENT_CONFIG_FILE", "OS_CLIENT_SECURE_FILE"))
    )
    # openstacksdk skips folders without permission too, such as the home of another user.
    found_files = (
        file for file in (*loader.CONFIG_FILES, *loader.SECURE_FILES) if os.access(file, os.F_OK)
    )
    for file in (*named_files, *found_files):
        _read_clouds(Path(file))
    config = loader.OpenStackConfig(app_name="gaussdb-tasks")
    if cloud is not None and cloud not in config.get_cloud_names():
        named = Path(clean(os.environ.get("OS_CLIENT_CONFIG_FILE", "")))
        if not named.exists():
            message = (
                f"cloud {cloud!r} is not known: {named} does not exist; correct the path (set by "
                "OS_CLIENT_CONFIG_FILE)"
            )
        elif config.config_filename is None:
            message = (
                f"cloud {cloud!r} is not known: there is no clouds.yaml; write one in this folder, "
                "in ~/.config/openstack or in /etc/openstack, or name it with OS_CLIENT_CONFIG_FILE"
            )
        else:
            names = sorted(set(config.get_cloud_names()) - {config.envvar_key, "defaults"})
            known = ", ".join(names) or "none"
            message = f"cloud {cloud!r} is not in {config.config_filename}; its clouds: {known}"
        raise ConfigurationError(message)
    return config


def _read_clouds(path: Path) -> Mapping[str, Any]:
    """Return the clouds of a file, if it exists.

    Raises:
        GaussdbTasksError: it is broken; openstacksdk would ignore it as if it did not exist.
    """
    try:
        if not path.is_file():
            return {}
        content = yaml.safe_load(path.read_text("utf-8-sig"))
    except OSError as error:
        raise explain(error, path=path) from error
    except (ValueError, yaml.YAMLError, RecursionError) as error:
        # Without the message of the parser: it shows the line, and this may be secure.yaml.
        mark = getattr(error, "problem_mark", None)
        line = "" if mark is None else f" in line {mark.line + 1}"
        message = f"{path} cannot be read: it is not valid YAML{line}; correct the file"
        raise ConfigurationError(message) from None
    if content is None:  # an empty file is as good as none
        return {}
    clouds = content.get("clouds") if isinstance(content, dict) else None
    if not isinstance(clouds, dict) or not clouds:
        message = (
            f"{path} has no clouds; write each cloud below 'clouds:', indented, or remove the file"
        )
        raise ConfigurationError(message)
    return clouds
