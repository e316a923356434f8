"""The regions of a cloud: all of them or the requested one, each with its own settings."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from gaussdb_tasks.api.auth import regions
from gaussdb_tasks.api.auth.clouds import clouds_of
from gaussdb_tasks.api.auth.credentials import KeyPair
from gaussdb_tasks.api.auth.sign_in import sign_in
from gaussdb_tasks.emulator import Account, Emulator, FixedWorld, RealClock
from gaussdb_tasks.errors import ConfigurationError
from gaussdb_tasks.settings import AccessRequest
from tests.support.emulator_client import OTHER_PROJECT, PROJECT

ACCOUNT = Account(user="ada", password="open sesame", domain="OTC0815")
NAMES = {PROJECT: "eu-de_shop", OTHER_PROJECT: "eu-nl_shop"}


@pytest.fixture
def emulator() -> Iterator[Emulator]:
    """One IAM for a project in each of two regions."""
    world = FixedWorld({PROJECT: [], OTHER_PROJECT: []}, names=NAMES)
    with Emulator(world, clock=RealClock(), account=ACCOUNT) as served:
        yield served


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder for clouds.yaml, without the machine's settings."""
    monkeypatch.setenv("OS_CLIENT_CONFIG_FILE", str(tmp_path / "clouds.yaml"))
    monkeypatch.setenv("OS_CLIENT_SECURE_FILE", str(tmp_path / "secure.yaml"))
    return tmp_path


def write_cloud(folder: Path, emulator: Emulator, rest: str, auth: str = "") -> None:
    """Write a cloud ``shop``; ``rest`` has its regions."""
    (folder / "clouds.yaml").write_text(
        f"""
clouds:
  shop:
    gaussdb_endpoint_override: {emulator.endpoint}
    auth:
      auth_url: {emulator.auth_url}
      username: ada
      password: open sesame
      user_domain_name: OTC0815
      project_domain_name: OTC0815
      {auth}
{rest}
"""
    )


TWO_REGIONS = """
    regions:
    - name: eu-de
      values:
        auth:
          project_name: eu-de_shop
    - name: eu-nl
      values:
        auth:
          project_name: eu-nl_shop
"""


def places(request: AccessRequest) -> list[tuple[str, str]]:
    """Return region and project of each access."""
    return [(access.region, access.project_id) for access in sign_in(request, {}).accesses]


def test_all_regions(home: Path, emulator: Emulator) -> None:
    """Each region has the project of its own values."""
    write_cloud(home, emulator, TWO_REGIONS)
    found = places(AccessRequest(os_clouds=("shop",)))
    assert found == [("eu-de", PROJECT), ("eu-nl", OTHER_PROJECT)]


@pytest.mark.parametrize(("region", "project"), [("eu-de", PROJECT), ("eu-nl", OTHER_PROJECT)])
def test_one_region(home: Path, emulator: Emulator, region: str, project: str) -> None:
    """--region chooses one of them, with its settings."""
    write_cloud(home, emulator, TWO_REGIONS)
    assert places(AccessRequest(os_clouds=("shop",), region=region)) == [(region, project)]


def test_unknown_region(home: Path, emulator: Emulator) -> None:
    """The message has the regions of the cloud, the similar one first."""
    write_cloud(home, emulator, TWO_REGIONS)
    with pytest.raises(ConfigurationError, match="'eu-nk'; its regions: eu-nl, eu-de"):
        places(AccessRequest(os_clouds=("shop",), region="eu-nk"))


def test_all_projects_of_all_regions(home: Path, emulator: Emulator) -> None:
    """Each project is read in its own region; a region without a project is no failure."""
    write_cloud(home, emulator, "    regions: [eu-de, eu-nl, eu-ch2]")
    signed_in = sign_in(AccessRequest(os_clouds=("shop",), all_projects=True), {})
    assert [(each.region, each.project_id) for each in signed_in.accesses] == [
        ("eu-de", PROJECT),
        ("eu-nl", OTHER_PROJECT),
    ]
    assert signed_in.failures == ()


def test_one_project_id_in_two_regions(home: Path, emulator: Emulator) -> None:
    """A project is in one region: its tasks are never recorded in another one."""
    write_cloud(home, emulator, "    regions: [eu-de, eu-nl]", f"project_id: {PROJECT}")
    with pytest.raises(ConfigurationError, match="eu-de and eu-nl"):
        sign_in(AccessRequest(os_clouds=("shop",)), {})


@pytest.mark.parametrize("region", ["eu-de", "eu-nl"])
def test_one_project_name_in_two_regions(home: Path, emulator: Emulator, region: str) -> None:
    """The region that the project is not in is a failed sign-in."""
    auth = f"project_name: {region}_shop"
    write_cloud(home, emulator, "    regions: [eu-de, eu-nl]", auth)
    signed_in = sign_in(AccessRequest(os_clouds=("shop",)), {})
    assert [NAMES[each.project_id] for each in signed_in.accesses] == [f"{region}_shop"]
    assert [each.region for each in signed_in.accesses] == [region]
    (failure,) = signed_in.failures
    assert f"is in region {region}, not in" in str(failure.error)


@pytest.mark.parametrize(
    "auth", [f"project_id: {PROJECT}", "project_name: eu-de_shop"], ids=["id", "name"]
)
def test_another_region_than_that_of_the_cloud(home: Path, emulator: Emulator, auth: str) -> None:
    """--region eu-nl does not read the project of eu-de."""
    write_cloud(home, emulator, "    region_name: eu-de", auth)
    with pytest.raises(ConfigurationError, match=r"is in region eu-de, not in eu-nl; give --proj"):
        places(AccessRequest(os_clouds=("shop",), region="eu-nl"))


def test_a_requested_project_in_another_region(home: Path, emulator: Emulator) -> None:
    """With --project-id another region is possible; its endpoint is not the configured one."""
    write_cloud(home, emulator, "    region_name: eu-de", f"project_id: {PROJECT}")
    request = AccessRequest(os_clouds=("shop",), region="eu-nl", project_ids=(OTHER_PROJECT,))
    (access,) = sign_in(request, {}).accesses
    assert (access.region, access.project_id) == ("eu-nl", OTHER_PROJECT)
    assert access.endpoint == "https://gaussdb.eu-nl.otc.t-systems.com"


def test_a_requested_project_needs_a_region(home: Path, emulator: Emulator) -> None:
    """Of several regions: --project-id does not say which."""
    write_cloud(home, emulator, TWO_REGIONS)
    with pytest.raises(ConfigurationError, match="give --region too"):
        places(AccessRequest(os_clouds=("shop",), project_ids=(PROJECT,)))


@pytest.mark.parametrize(
    "environ",
    [
        {"OS_TOKEN": "a-token-of-eu-de"},
        {"OS_ACCESS_KEY": "AK0123456789", "OS_SECRET_KEY": "a-secret-key"},
    ],
)
def test_another_region_than_that_of_the_variables(environ: dict[str, str]) -> None:
    """The same holds for tokens and keys."""
    environ |= {"OS_PROJECT_ID": PROJECT, "OS_REGION_NAME": "eu-de"}
    with pytest.raises(ConfigurationError, match="is in region eu-de, not in eu-nl"):
        sign_in(AccessRequest(region="eu-nl"), environ)


def test_an_endpoint_of_another_region() -> None:
    """What eu-de answers is not recorded as eu-nl."""
    environ = {"OS_TOKEN": "t", "OS_PROJECT_ID": PROJECT, "OS_REGION_NAME": "eu-nl"}
    with pytest.raises(ConfigurationError, match="is in region eu-de, but the region is eu-nl"):
        sign_in(AccessRequest(endpoint="https://gaussdb.eu-de.otc.t-systems.com"), environ)


def test_a_profile_with_several_regions(home: Path) -> None:
    """The first region of a profile is not chosen silently; the project's name may say which."""
    text = "clouds:\n  shop:\n    profile: otc\n    auth: {username: a, password: open sesame%s}"
    (home / "clouds.yaml").write_text(text % "")
    with pytest.raises(ConfigurationError, match=r"set region_name.*eu-de, eu-nl"):
        places(AccessRequest(os_clouds=("shop",)))
    (home / "clouds.yaml").write_text(text % f", project_name: eu-nl_shop, project_id: {PROJECT}")
    assert places(AccessRequest(os_clouds=("shop",))) == [("eu-nl", PROJECT)]


@pytest.mark.parametrize(
    ("region", "service", "iam"),
    [
        ("eu-de", "gaussdb.eu-de.otc.t-systems.com", "iam.eu-de.otc.t-systems.com"),
        ("eu-ch2", "gaussdb.eu-ch2.sc.otc.t-systems.com", "iam-pub.eu-ch2.sc.otc.t-systems.com"),
        (
            "ap-southeast-3",
            "gaussdb-opengauss.ap-southeast-3.myhuaweicloud.com",
            "iam.ap-southeast-3.myhuaweicloud.com",
        ),
        (
            "eu-west-101",
            "gaussdb-opengauss.eu-west-101.myhuaweicloud.eu",
            "iam.eu-west-101.myhuaweicloud.eu",
        ),
    ],
)
def test_hosts_of_a_region(region: str, service: str, iam: str) -> None:
    """Of each cloud that has the API."""
    assert regions.endpoint_of_region(region) == f"https://{service}"
    assert regions.iam_of_region(region) == f"https://{iam}/v3"
    assert regions.region_of_host(service) == region
    assert regions.region_of_project(f"{region}_shop") == region


def test_hosts_are_those_of_the_vendors_client() -> None:
    """The table of Huawei Cloud agrees with the vendor's SDK."""
    module = pytest.importorskip(
        "huaweicloudsdkgaussdbforopengauss.v3.region.gaussdbforopengauss_region"
    )
    for name, region in module.GaussDBforopenGaussRegion.static_fields.items():
        assert regions.endpoint_of_region(name) in region.endpoints


@pytest.mark.parametrize(
    ("mistyped", "first"),
    [("eu-dee", "eu-de"), ("EU-NL", "eu-nl"), ("ap-southest-3", "ap-southeast-3")],
)
def test_a_mistyped_region(mistyped: str, first: str) -> None:
    """It is refused with the known regions, similar ones first; --endpoint overrides."""
    environ = {"OS_TOKEN": "t", "OS_PROJECT_ID": PROJECT}
    with pytest.raises(ConfigurationError, match=f"{mistyped}.*the known regions: {first}, "):
        sign_in(AccessRequest(region=mistyped), environ)
    request = AccessRequest(region=mistyped, endpoint="https://gaussdb.example.com")
    (access,) = sign_in(request, environ).accesses
    assert access.region == mistyped


def test_a_region_has_its_own_keys_also_if_its_name_begins_another(
    home: Path, emulator: Emulator
) -> None:
    keys = {"eu-west-1": "one", "eu-west-101": "two"}
    listed = "".join(
        f"    - {{name: {region}, values: {{ak: {key}, sk: secret-of-{key}}}}}\n"
        for region, key in keys.items()
    )
    write_cloud(home, emulator, f"    regions:\n{listed}")
    found = [(each.region, each.keys) for each in clouds_of("shop", {}, None, {})]
    assert found == [(region, KeyPair(key, f"secret-of-{key}")) for region, key in keys.items()]


USER = {"OS_USERNAME": "ada", "OS_PASSWORD": "open sesame", "OS_USER_DOMAIN_NAME": "OTC0815"}


@pytest.mark.parametrize("region", ["ap-southeast-3", "eu-west-101", "eu-de"])
@pytest.mark.parametrize("kind", ["variable", "option", "cloud"])
def test_the_region_names_iam(
    home: Path, emulator: Emulator, monkeypatch: pytest.MonkeyPatch, region: str, kind: str
) -> None:
    """A user without a URL of IAM signs in at the IAM of the region."""
    asked: list[str] = []

    def iam_of_region(name: str) -> str:
        asked.append(name)
        return emulator.auth_url

    monkeypatch.setattr(regions, "iam_of_region", iam_of_region)
    environ = USER | {"OS_PROJECT_ID": PROJECT, "OS_GAUSSDB_ENDPOINT_OVERRIDE": emulator.endpoint}
    request = AccessRequest(region=region if kind == "option" else None)
    if kind == "variable":
        environ["OS_REGION_NAME"] = region
    elif kind == "cloud":
        environ, request = {}, AccessRequest(os_clouds=("shop",))
        write_cloud(home, emulator, f"    region_name: {region}", f"project_id: {PROJECT}")
        file = home / "clouds.yaml"
        file.write_text(file.read_text().replace(f"auth_url: {emulator.auth_url}", ""))
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    (access,) = sign_in(request, environ).accesses
    assert (access.region, access.project_id) == (region, PROJECT)
    assert access.identity.credential()
    assert set(asked) == {region}


@pytest.mark.parametrize(
    ("environ", "words"),
    [
        (USER, "the URL of IAM is not known.*OS_AUTH_URL.*OS_REGION_NAME"),
        (USER | {"OS_REGION_NAME": "ap-southeast-33"}, "not known.*: ap-southeast-3,"),
        (
            {"OS_PASSWORD": "p", "OS_REGION_NAME": "eu-de"},
            "no credentials are set: OS_PASSWORD, OS_REGION_NAME alone cannot sign in",
        ),
        (
            {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b"},
            "AWS_ACCESS_KEY_ID is not read to sign in; set OS_ACCESS_KEY and OS_SECRET_KEY",
        ),
        ({"HW_ACCESS_KEY": "a"}, "HW_ACCESS_KEY is not read.*OS_ACCESS_KEY"),
    ],
)
def test_what_is_missing_to_sign_in(
    monkeypatch: pytest.MonkeyPatch, environ: dict[str, str], words: str
) -> None:
    """The message names what is set and what is missing."""
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(ConfigurationError, match=words):
        sign_in(AccessRequest(), environ)
