"""Refuse the settings of a cloud that openstacksdk obeys and this program does not.

A setting that is dropped in silence is dangerous: the load then uses another endpoint, another way
to sign in or another certificate than its owner believes. So each name of a cloud is one that this
program uses, one that cannot change a load, or it is refused. Sources: the schema and the loader of
openstacksdk, and the options of keystoneauth1's plugins.
"""

import difflib
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from keystoneauth1 import loading

from gaussdb_tasks.errors import ConfigurationError

OWN_SETTINGS: Final = (
    *("agency_name", "agency_domain_name", "delegated_project"),
    *("ak", "sk", "security_token"),
)
"""Settings that only the tools of this cloud use; openstacksdk rejects them."""
_ENDPOINT: Final = "gaussdb_endpoint_override"
_USED: Final = frozenset(
    {
        *(*OWN_SETTINGS, _ENDPOINT, "api_timeout", "auth", "auth_methods"),
        *("auth_plugin", "auth_type", "cacert", "cert", "cloud", "insecure", "key", "passcode"),
        *("profile", "region_name", "regions", "verify"),
    }
)
_SIGN_IN: Final = frozenset(
    {
        *("auth_token", "auth_url", "domain_id", "domain_name", "project_domain_id"),
        *("project_domain_name", "project_id", "project_name", "tenant_id", "tenant_name"),
        *("user_domain_id", "user_domain_name", "user_id", "username"),
    }
)
"""Settings below ``auth``, or beside it, that each way to sign in may have."""
_HARMLESS: Final = frozenset(
    {
        # About servers, images, networks and object storage, which no load touches.
        *("disable_vendor_agent", "external_network", "floating_ip_source", "image_api_use_tasks"),
        *("image_format", "internal_network", "networks", "requires_floating_ip"),
        "secgroup_source",
        # Remarks of a profile, and code that adds services to openstacksdk.
        *("message", "name", "status", "vendor_hook"),
        # Where openstacksdk keeps answers and sends figures of its own calls.
        *("cache", "metrics"),
        # Domains to use if no other is set; the plugins of passwords and tokens take them.
        *("default_domain", "default_domain_id", "default_domain_name"),
    }
)
_ALLOWED_VALUES: Final[Mapping[str, frozenset[str]]] = {
    "endpoint_type": frozenset({"public", "publicurl"}),
    "force_ipv4": frozenset({"false"}),
    "identity_api_version": frozenset({"3", "3.0", "v3"}),
    "interface": frozenset({"public", "publicurl"}),
    "prefer_ipv6": frozenset({"true"}),
}
"""Settings whose usual value is what this program does."""
_OF_SERVICES: Final = tuple(
    f"_{name}"
    for name in (
        *("api_version", "default_microversion", "endpoint_override", "endpoint_type"),
        *("interface", "max_version", "min_version", "region_name", "service_name"),
        *("service_type", "status_code_retries"),
    )
)
"""Ends of names that begin with a service; those of other services are harmless."""
_OWN_SERVICES: Final = frozenset(
    {"database", "gaussdb", "gaussdb_for_opengauss", "iam", "identity"}
)
_SERVICES_OF_THIS_CLOUD: Final = frozenset(
    {
        *("anti_ddos", "apig", "as", "asm", "auto_scaling", "bms", "cbh", "cbr", "cce", "cci"),
        *("ces", "cfw", "cloud_eye", "cloudtrace", "css", "cts", "cts_v1", "dcs", "ddm", "dds"),
        *("deh", "dis", "dli", "dms", "drs", "dws", "ecs", "eip", "elb", "evs", "function_graph"),
        *("ims", "kms", "lts", "mrs", "nat", "obs", "rds", "rms", "rts", "sdrs", "sfs"),
        *("sfsturbo", "smn", "swr", "tms", "vlb", "vpc", "vpcep", "volume", "volumev2", "volumev3"),
        *("waf", "waf_dedicated"),
    }
)
_OTHER_SIGN_INS: Final = frozenset(
    {
        *("application_credential_secret", "auth_plugin", "auth_token", "auth_type", "passcode"),
        *("password", "token"),
    }
)
_METHODS: Final = ("v3password", "v3totp", "v3token", "v3applicationcredential")
_MAX_TIMEOUT: Final = 3600
_BOOLEANS: Final = {"true": True, "yes": True, "on": True, "1": True} | {
    "false": False, "no": False, "off": False, "0": False
}  # fmt: skip


def options_of(auth_types: Iterable[str]) -> frozenset[str]:
    """Return the names of the settings that ways to sign in take.

    Raises:
        NoMatchingPlugin: keystoneauth1 does not have such a way.
    """
    names = {str(each) for each in auth_types} or {"password"}
    if "v3multifactor" in names:
        names |= {*_METHODS}
    loaders: Iterator[Any] = (loading.get_plugin_loader(name) for name in names)
    return frozenset(
        name
        for loader in loaders
        for option in loader.get_options()
        for name in (option.dest, *(old.dest for old in option.deprecated))
    )


def refuse_dropped(
    settings: Mapping[str, Any], path: str, name_of_cloud: str, options: frozenset[str]
) -> None:
    """Refuse what a mapping of a cloud has beyond the settings that are used or harmless.

    Args:
        settings: of a cloud, of its ``auth``, or of one of its regions.
        path: where they are in the cloud.
        name_of_cloud: for messages.
        options: names that the chosen way to sign in takes.

    Raises:
        ConfigurationError: a setting would be dropped; the message names it.
    """
    usable = options | _SIGN_IN | frozenset(OWN_SETTINGS) | {"passcode"}
    if not path.endswith("auth."):
        usable |= _USED
    for written, value in settings.items():
        name = str(written).replace("-", "_")
        if name in usable or not _is_set(value):
            continue
        if path.endswith("auth.") or not _is_harmless(name, value):
            raise ConfigurationError(_refusal(f"{name_of_cloud}: {path}{written}", name, usable))


def refuse_dropped_variables(environ: Mapping[str, str]) -> None:
    """Refuse variables that openstacksdk obeys and this program does not.

    Other programs have variables that begin with ``OS_``, too: an unknown one is no mistake.

    Raises:
        ConfigurationError: a variable would be dropped; the message names it.
    """
    for variable, value in sorted(environ.items()):
        name = variable.removeprefix("OS_").lower()
        is_known = name in _ALLOWED_VALUES or name.endswith(_OF_SERVICES)
        is_known = is_known or name in {"endpoint_override", "timeout"}
        is_used = name in _USED or _is_harmless(name, value)
        if variable.startswith("OS_") and value and is_known and not is_used:
            raise ConfigurationError(_refusal(variable, name, _USED))
    if environ.get("OS_KEY") and not environ.get("OS_CERT"):
        message = "OS_KEY is set without OS_CERT, the certificate; set both, or unset OS_KEY"
        raise ConfigurationError(message)


def refuse_other_sign_in(settings: Mapping[str, Any], path: str, name_of_cloud: str) -> None:
    """Refuse a second way to sign in beside an access key.

    Raises:
        ConfigurationError: there is one; the message names it.
    """
    for name in sorted(_OTHER_SIGN_INS & settings.keys()):
        is_default = name == "auth_type" and settings[name] in {"password", "v3password"}
        if _is_set(settings[name]) and not is_default:
            message = (
                f"{name_of_cloud}: {path}{name} and an access key (ak, sk) are set, but only one "
                "of them can sign in; remove one, or make two clouds of it"
            )
            raise ConfigurationError(message)


def as_boolean(value: Any, name: str) -> bool:
    """Return a value of YAML or of a variable that is true or false.

    Raises:
        ConfigurationError: it is something else.
    """
    if isinstance(value, bool):
        return value
    known = _BOOLEANS.get(str(value).lower())
    if known is None:
        message = f"{name} is true or false; name a bundle of CA certificates with cacert"
        raise ConfigurationError(message)
    return known


def read_timeout(value: Any, name: str) -> float | None:
    """Return the longest wait for the next part of an answer, in seconds; None if it is not set.

    Raises:
        ConfigurationError: it is not a number of seconds.
    """
    if not _is_set(value):
        return None
    try:
        seconds = float(value)
    except (TypeError, ValueError):
        seconds = 0.0
    if not 0 < seconds < _MAX_TIMEOUT:
        message = f"{name} is not a number of seconds between 0 and {_MAX_TIMEOUT}; correct it"
        raise ConfigurationError(message)
    return seconds


def _is_set(value: Any) -> bool:
    return value is not None and value not in ("", {}, [])


def _is_harmless(name: str, value: Any) -> bool:
    if name in _ALLOWED_VALUES:
        return str(value).lower() in _ALLOWED_VALUES[name]
    return name in _HARMLESS or _is_of_another_service(name, value)


def _is_of_another_service(name: str, value: Any) -> bool:
    for end in _OF_SERVICES:
        service = name.removesuffix(end)
        if service == name:
            continue
        if end == "_api_version" or _is_usual(end, value):
            return True
        return service in _other_services()
    return False


def _is_usual(end: str, value: Any) -> bool:
    return str(value).lower() in _ALLOWED_VALUES.get(end.removeprefix("_"), frozenset())


def _other_services() -> frozenset[str]:
    """Return the services that no load calls; a misspelt name is not among them."""
    from os_service_types import ServiceTypes  # noqa: PLC0415 - reads a large file

    known: Iterator[str] = (
        each
        for official, aliases in ServiceTypes().all_types_by_service_type.items()
        for each in (official, *aliases)
    )
    names = {name.replace("-", "_") for name in known} | _SERVICES_OF_THIS_CLOUD
    return frozenset(names - _OWN_SERVICES)


def _refusal(shown: str, name: str, usable: frozenset[str]) -> str:
    problem = f"{shown} is not a setting that this program obeys"
    if name.endswith(("endpoint_override", "interface", "endpoint_type")):
        if name.endswith("endpoint_override") and name.startswith(("identity", "iam")):
            return f"{problem}: IAM is called at auth_url; remove it, and correct auth_url"
        return (
            f"{problem}: the service is called at its public endpoint; remove it, or set "
            f"{_ENDPOINT} to the URL of the service"
        )
    if name.endswith("timeout"):
        return f"{problem}; rename it to api_timeout, or remove it"
    if name in {"force_ipv4", "prefer_ipv6"}:
        return f"{problem}: the system chooses the address; remove it, and use IPv4 on this machine"
    if name == "identity_api_version":
        return f"{problem}: this cloud has version 3 of IAM only; remove it"
    close = difflib.get_close_matches(name, sorted(usable), 1)
    hint = f" or correct it to {close[0]}" if close else ""
    return f"{problem}; remove it{hint}"
