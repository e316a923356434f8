"""The clouds that have this API, their regions, and the hosts of the service and of IAM there.

Sources: the documentation of Open Telekom Cloud and its Swiss part; for Huawei Cloud the tables of
regions in the vendor's SDKs ``huaweicloudsdkgaussdbforopengauss`` and ``huaweicloudsdkcore``. They
lack the service's host in eu-west-101, which is derived from other services there: uncertain.
"""

import difflib
import re
from dataclasses import dataclass
from typing import Final

from gaussdb_tasks.errors import ConfigurationError


@dataclass(frozen=True, slots=True)
class _CloudHosts:
    """Regions whose hosts are named alike."""

    regions: tuple[str, ...]
    service: str
    iam: str


_CLOUDS: Final = (
    _CloudHosts(
        ("eu-de", "eu-nl"),
        service="gaussdb.{}.otc.t-systems.com",
        iam="iam.{}.otc.t-systems.com",
    ),
    # The Swiss region has its own parent domain and other operators.
    _CloudHosts(
        ("eu-ch2",),
        service="gaussdb.{}.sc.otc.t-systems.com",
        iam="iam-pub.{}.sc.otc.t-systems.com",
    ),
    _CloudHosts(
        (
            *("af-south-1", "ap-southeast-1", "ap-southeast-2", "ap-southeast-3"),
            *("ap-southeast-4", "cn-east-3", "cn-north-2", "cn-north-4", "cn-north-9"),
            *("cn-south-1", "cn-south-2", "cn-south-4", "cn-southwest-2", "la-north-2"),
            *("la-south-2", "ru-northwest-2", "sa-brazil-1"),
        ),
        service="gaussdb-opengauss.{}.myhuaweicloud.com",
        iam="iam.{}.myhuaweicloud.com",
    ),
    _CloudHosts(
        (
            *("af-north-1", "ap-southeast-5", "cn-east-2", "cn-east-4", "cn-east-5"),
            *("cn-north-12", "me-east-1", "tr-west-1"),
        ),
        service="gaussdb.{}.myhuaweicloud.com",
        iam="iam.{}.myhuaweicloud.com",
    ),
    # Huawei Cloud in Europe has its own parent domain.
    _CloudHosts(
        ("eu-west-101",),
        service="gaussdb-opengauss.{}.myhuaweicloud.eu",
        iam="iam.{}.myhuaweicloud.eu",
    ),
)
_HOSTS: Final = {region: cloud for cloud in _CLOUDS for region in cloud.regions}
_NAME: Final = re.compile(r"[a-z]{2}-[a-z]{2}\d?")
_MIN_SIMILARITY: Final = 0.6


def endpoint_of_region(region: str) -> str:
    """Return the default URL of the service in a region.

    Raises:
        ConfigurationError: the region is not known; the message has the most similar ones first.
    """
    return f"https://{_hosts_of(region).service.format(region)}"


def iam_of_region(region: str) -> str:
    """Return the default URL of IAM in a region.

    Raises:
        ConfigurationError: the region is not known.
    """
    return f"https://{_hosts_of(region).iam.format(region)}/v3"


def is_known_region(region: str | None) -> bool:
    """Return whether the hosts of a region are known."""
    return region in _HOSTS


def region_of_project(name: str) -> str | None:
    """Read the region from a project name such as eu-de or eu-de_shop; None if it has none."""
    return _region_in(name.partition("_")[0])


def region_of_host(host: str) -> str | None:
    """Read the region from the labels of a host; None if it has none."""
    return next((label for label in host.split(".") if _region_in(label)), None)


def in_order_of_similarity(name: str, names: tuple[str, ...]) -> str:
    """Return names in one line, those that are similar to another name first."""
    similar = difflib.get_close_matches(name, names, n=len(names), cutoff=_MIN_SIMILARITY)
    return ", ".join(dict.fromkeys((*similar, *names)))


def _region_in(text: str) -> str | None:
    return text if text in _HOSTS or _NAME.fullmatch(text) else None


def _hosts_of(region: str) -> _CloudHosts:
    if region not in _HOSTS:
        message = (
            f"region {region!r} is not known; the known regions: "
            f"{in_order_of_similarity(region.lower(), tuple(_HOSTS))}; "
            "correct --region (region_name, OS_REGION_NAME), or give --endpoint for another region"
        )
        raise ConfigurationError(message)
    return _HOSTS[region]
