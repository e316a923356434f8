"""Time stamps of entries: asked for by a load, checked by verify and by openssl."""

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from gaussdb_tasks.archive import timestamps
from gaussdb_tasks.archive.mirror.fetch import fetch_entries
from gaussdb_tasks.archive.mirror.remote import Remote
from gaussdb_tasks.archive.store import Archive, Entry
from gaussdb_tasks.archive.timestamp_authority import StampResult, TimestampAuthority
from gaussdb_tasks.archive.timestamp_trust import TimestampTrust
from gaussdb_tasks.archive.timestamps import MAX_BYTES
from gaussdb_tasks.archive.verification.findings import Verification
from gaussdb_tasks.archive.verification.verify import verify
from gaussdb_tasks.archive.verification.verify_files import VerifyOptions, verify_archive
from gaussdb_tasks.database.data_dir import DataDir
from gaussdb_tasks.emulator import Emulator, FixedWorld, SettableClock
from gaussdb_tasks.errors import ConfigurationError, ExitCode
from gaussdb_tasks.known_secrets import mask
from gaussdb_tasks.load import run_load
from gaussdb_tasks.model.times import from_datetime, iso
from tests.support import DATA
from tests.support.commands import Command, token_env
from tests.support.emulator_client import NOW, PROJECT, record
from tests.support.loads import load_request
from tests.support.made_once import made_once
from tests.support.timestamp_authority import Authority, Certificates, serve

README = Path(timestamps.__file__).with_name("README.md")

pytestmark = pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not installed")


@pytest.fixture(scope="session")
def certificates_made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made_once(tmp_path_factory, "timestamp_certificates", Certificates.make)


@pytest.fixture
def certificates(certificates_made: Path, tmp_path: Path) -> Certificates:
    """Copy the certificates, since openssl writes beside them."""
    return Certificates(shutil.copytree(certificates_made, tmp_path / "authority"))


@pytest.fixture
def authority(certificates: Certificates) -> Iterator[Authority]:
    """Serve an authority."""
    with serve(certificates) as server:
        yield server


@pytest.fixture
def archive(tmp_path: Path) -> Archive:
    """Copy the golden archive: six entries without signatures and time stamps."""
    return Archive(shutil.copytree(DATA / "golden-archive-1", tmp_path / "archive"))


def _stamp(archive: Archive, sequence: int, content: bytes) -> None:
    (archive.entries()[sequence - 1].path / "digest.tsr").write_bytes(content)


def _digest(archive: Archive, sequence: int) -> bytes:
    return archive.entries()[sequence - 1].digest_path.read_bytes()


def _verify(archive: Archive, *cas: Path) -> Verification:
    trust = TimestampTrust(cas) if cas else None
    return verify_archive(archive, VerifyOptions(timestamp_trust=trust))


def _details(archive: Archive, *cas: Path) -> list[tuple[str, str]]:
    return [(finding.fault.value, finding.detail) for finding in _verify(archive, *cas).findings]


# What a load asks for


def _ask(authority: Authority, entry: Entry, **options: Any) -> StampResult:
    return TimestampAuthority(authority.url, **options).stamp_entry(entry.path)


def test_a_response_is_kept_beside_the_manifest(archive: Archive, authority: Authority) -> None:
    """The result has the time and the authority, as verify shows them."""
    entry = archive.entries()[-1]
    result = _ask(authority, entry)
    assert (result.authority, result.error) == ("CN=good", None)
    assert authority.headers["Content-Type"] == "application/timestamp-query"
    found = _verify(archive, authority.certificates.ca)
    assert found.findings == []
    assert [(each.first, each.last, each.at) for each in found.stamped] == [(1, 6, result.at)]
    assert f"entries 1 to 6 existed at {iso(result.at or 0)}, says CN=good" in found.notes


@pytest.mark.parametrize(
    ("behaviour", "reason"),
    [
        ("wrong nonce", "nonce"),
        ("wrong hash", "not that of digest.json"),
        ("refused", "Message digest algorithm is not supported"),
        ("weak hash", "too weak"),
        ("garbage", "not a time stamp response"),
        ("empty", "not a time stamp response"),
        ("huge", "more than 262,144 bytes"),
        ("error", "status 500"),
        ("redirect", "redirect"),
    ],
)
def test_a_wrong_answer_is_not_kept(
    archive: Archive, authority: Authority, behaviour: str, reason: str
) -> None:
    """The remark has the reason; a redirect is not followed."""
    authority.behaviour = behaviour
    with serve(authority.certificates) as other:
        authority.redirect_to = other.url
        result = _ask(authority, archive.entries()[-1])
        assert other.queries == 0
    assert result.at is None
    assert reason in str(result.error)
    assert not (archive.entries()[-1].path / "digest.tsr").exists()


def test_a_valid_response_counts_whatever_its_content_type(
    archive: Archive, authority: Authority
) -> None:
    authority.behaviour = "wrong content type"
    assert _ask(authority, archive.entries()[-1]).error is None


@pytest.mark.parametrize("behaviour", ["slow", "stalls"])
def test_a_slow_answer_is_not_waited_for(
    archive: Archive, authority: Authority, behaviour: str
) -> None:
    """The authority answers only after the client has given up."""
    authority.behaviour = behaviour
    result = _ask(authority, archive.entries()[-1], max_seconds=0.3)
    assert "within 0.3 seconds" in str(result.error)


def test_an_authority_out_of_reach(archive: Archive, authority: Authority) -> None:
    """The remark names the URL, without its credentials."""
    authority.server_close()
    url = authority.url.replace("http://", "http://user:s3cret@") + "?token=s3cret"
    result = TimestampAuthority(url).stamp_entry(archive.entries()[-1].path)
    assert "cannot be reached" in str(result.error)
    assert "127.0.0.1" in str(result.error)
    assert "s3cret" not in str(result.error)


def test_credentials_of_the_url_are_sent(archive: Archive, authority: Authority) -> None:
    """From then on the password is masked wherever a message shows it."""
    url = authority.url.replace("http://", "http://user:caravan-77@")
    assert TimestampAuthority(url).stamp_entry(archive.entries()[-1].path).error is None
    assert authority.headers["Authorization"].startswith("Basic ")
    assert mask("wrong password caravan-77") == "wrong password ***"


@pytest.mark.parametrize(
    "url",
    [
        "ftp://host/tsr",
        "timestamp.example",
        "http://",
        "http://host:port/",
        "http://ho st/",
        "http://host/\x1b[2J",
        "http://user:s3cret@timestamp.example/",
    ],
)
def test_a_wrong_url_is_a_wrong_option(url: str) -> None:
    """The message shows no credentials and no control character."""
    with pytest.raises(ConfigurationError) as caught:
        TimestampAuthority(url)
    assert "--timestamp-url" in str(caught.value)
    assert "s3cret" not in str(caught.value)
    assert "\x1b" not in str(caught.value)


# What verify checks


def test_time_stamps_show_since_when_each_part_exists(
    archive: Archive, certificates: Certificates
) -> None:
    """Each covers the entries since the one before; the rest is said to have none."""
    past = datetime.now(UTC).replace(microsecond=0) - timedelta(days=20)
    times = {2: past, 3: past + timedelta(days=2), 5: past + timedelta(days=1)}
    for sequence, at in times.items():
        _stamp(archive, sequence, certificates.forge(_digest(archive, sequence), at))
    found = _verify(archive, certificates.ca)
    assert found.findings == []
    # The one of entry 3 is later than that of entry 5, which covers entry 3, too.
    assert [(each.first, each.last, each.at) for each in found.stamped] == [
        (1, 2, from_datetime(times[2])),
        (3, 5, from_datetime(times[5])),
    ]
    assert "entry 6: no time stamp proves when they existed" in found.notes


def test_many_time_stamps_are_shown_in_short(archive: Archive, certificates: Certificates) -> None:
    """Text has the first and the last ones; JSON has all."""
    past = datetime.now(UTC).replace(microsecond=0) - timedelta(days=20)
    for sequence in range(1, 7):
        at = past + timedelta(days=sequence)
        _stamp(archive, sequence, certificates.forge(_digest(archive, sequence), at))
    found = _verify(archive, certificates.ca)
    assert len(found.stamped) == 6
    existed = [note for note in found.notes if "existed at" in note]
    assert [note.partition(" existed")[0] for note in existed] == [
        *("entry 1", "entry 2", "entry 5", "entry 6")
    ]
    assert "2 more time stamps: see --format json" in found.notes


Make = Callable[[Certificates, bytes], bytes]
WRONG: dict[str, tuple[Make, str]] = {
    "of something else": (lambda made, _: made.stamp(b"other"), "not that of digest.json"),
    "refused": (
        lambda made, content: made.reply(made.query(content, "sha1")),
        "the authority refused it",
    ),
    "weak hash": (
        lambda made, content: made.reply(made.query(content, "sha1"), config="lax"),
        "too weak",
    ),
    "future": (
        lambda made, content: made.forge(content, datetime.now(UTC) + timedelta(minutes=10)),
        "in the future",
    ),
    "cut off": (lambda made, content: made.stamp(content)[:-1], "not a time stamp response"),
    "huge": (
        lambda made, content: made.stamp(content) + bytes(MAX_BYTES),
        "not a time stamp response",
    ),
    "garbage": (lambda *_: bytes(range(256)), "not a time stamp response"),
    "empty": (lambda *_: b"", "not a time stamp response"),
    "deep": (lambda *_: b"\x30\x80" * 50_000, "not a time stamp response"),
    "hollow": (lambda *_: b"\x30\x04\x30\0\x30\0", "not a time stamp response"),
}


@pytest.mark.parametrize("kind", WRONG)
def test_a_wrong_time_stamp_is_a_finding(
    archive: Archive, certificates: Certificates, kind: str
) -> None:
    """With and without an authority's certificate."""
    make, reason = WRONG[kind]
    _stamp(archive, 6, make(certificates, _digest(archive, 6)))
    for cas in ((), (certificates.ca,)):
        ((fault, detail),) = _details(archive, *cas)
        assert fault == "timestamp"
        assert reason in detail


@pytest.mark.parametrize("is_link", [True, False])
def test_a_link_or_a_folder_is_no_time_stamp(
    archive: Archive, certificates: Certificates, *, is_link: bool
) -> None:
    """A link could lead out of the archive."""
    path, target = archive.entries()[5].path / "digest.tsr", certificates.folder / "response"
    target.write_bytes(certificates.stamp(_digest(archive, 6)))
    if is_link:
        path.symlink_to(target)
    else:
        path.mkdir()
    assert _details(archive) == [("timestamp", "it is a link, or not a file")]


@pytest.mark.parametrize(
    ("signer", "reason"),
    [
        ("expired", "not valid at the time of the stamp"),
        ("foreign", "not from a given authority"),
        ("without_eku", "not for time stamps"),
        ("weak", "algorithm of the certificate of CN=weak is too weak"),
    ],
)
def test_an_unsuitable_certificate_is_a_finding(
    archive: Archive, certificates: Certificates, signer: str, reason: str
) -> None:
    """Only with an authority's certificate; without one verify says what it did not check."""
    content = certificates.forge(_digest(archive, 6), datetime.now(UTC), signer=signer)
    _stamp(archive, 6, content)
    ((fault, detail),) = _details(archive, certificates.ca)
    assert fault == "timestamp"
    assert reason in detail
    found = _verify(archive)
    assert found.findings == []
    assert any("were not verified" in note for note in found.notes)


def test_an_edited_time_stamp_is_a_finding(archive: Archive, certificates: Certificates) -> None:
    """The time cannot be changed without the authority's key."""
    at = datetime.now(UTC) - timedelta(days=10)
    content = certificates.forge(_digest(archive, 6), at)
    stamp = at.strftime("%Y%m%d%H%M%SZ").encode()
    earlier = (at - timedelta(days=20)).strftime("%Y%m%d%H%M%SZ").encode()
    assert content.count(stamp) == 1
    _stamp(archive, 6, content.replace(stamp, earlier))
    ((_, detail),) = _details(archive, certificates.ca)
    assert detail == "its signature is not valid"


def test_a_certificate_that_expired_since_is_valid(
    archive: Archive, certificates: Certificates
) -> None:
    at = datetime.now(UTC) - timedelta(days=700)
    _stamp(archive, 6, certificates.forge(_digest(archive, 6), at, signer="expired"))
    assert _details(archive, certificates.ca) == []


def test_a_certificate_between_authority_and_root_comes_with_the_response(
    archive: Archive, certificates: Certificates
) -> None:
    """The root is enough; without the certificate between, the authority is not proved."""
    content, at = _digest(archive, 6), datetime.now(UTC)
    _stamp(archive, 6, certificates.forge(content, at, signer="below_sub_ca", also="sub_ca"))
    assert _details(archive, certificates.ca) == []
    _stamp(archive, 6, certificates.forge(content, at, signer="below_sub_ca"))
    ((_, detail),) = _details(archive, certificates.ca)
    assert "not from a given authority" in detail


def test_two_certificates_of_one_number_are_refused(
    archive: Archive, certificates: Certificates
) -> None:
    """Else one certificate, which is not for time stamps, could sign, and another be checked."""
    content = _digest(archive, 6)
    at = datetime.now(UTC)
    _stamp(archive, 6, certificates.forge(content, at, signer="without_eku", also="impostor"))
    ((_, detail),) = _details(archive, certificates.ca)
    assert "the certificate of the authority once" in detail


def test_no_time_stamp_at_all_is_a_finding_if_an_authority_is_given(
    archive: Archive, certificates: Certificates
) -> None:
    """Whoever gives an authority expects time stamps; without one nothing is said."""
    assert [fault for fault, _ in _details(archive, certificates.ca)] == ["timestamp"]
    assert not any("time stamp" in note for note in _verify(archive).notes)


def test_openssl_checks_a_time_stamp(archive: Archive, certificates: Certificates) -> None:
    """The command in the archive's README accepts the right manifest and authority only."""
    _stamp(archive, 6, certificates.stamp(_digest(archive, 6)))
    folder = archive.entries()[5].path
    (line,) = re.findall(r"^openssl ts -verify .*$", README.read_text(), re.MULTILINE)
    for data, ca, is_valid in (
        ("digest.json", "ca", True),
        ("digest.sha256", "ca", False),
        ("digest.json", "other_ca", False),
    ):
        command = line.replace("digest.json", data).split()
        command[command.index("ca.pem")] = str(certificates.folder / f"{ca}.pem")
        run = subprocess.run(command, cwd=folder, capture_output=True, check=False)
        assert (run.returncode == 0) == is_valid


@pytest.mark.parametrize(
    ("content", "message"), [(None, "it does not exist"), (b"garbage", "no certificate in PEM")]
)
def test_an_unusable_ca(tmp_path: Path, content: bytes | None, message: str) -> None:
    path = tmp_path / "root.pem"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ConfigurationError, match=message):
        TimestampTrust([path])


def test_without_the_package(
    archive: Archive, certificates: Certificates, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Options that need it say what to install; verify says what it did not check."""
    _stamp(archive, 6, certificates.stamp(_digest(archive, 6)))
    monkeypatch.setitem(sys.modules, "rfc3161_client", None)
    remedy = r"gaussdb-tasks\[timestamps\]"
    with pytest.raises(ConfigurationError, match=remedy):
        TimestampAuthority("https://timestamp.example")
    with pytest.raises(ConfigurationError, match=remedy):
        TimestampTrust([certificates.ca])
    found = _verify(archive)
    assert found.findings == []
    assert any("were not checked" in note for note in found.notes)


# The commands


@pytest.fixture
def emulator() -> Iterator[Emulator]:
    with Emulator(FixedWorld({PROJECT: [record(1)]}), clock=SettableClock(NOW)) as serving:
        yield serving


def test_a_load_stamps_its_entry_and_the_mirror_has_it(
    tmp_path: Path, emulator: Emulator, authority: Authority
) -> None:
    """The entry is complete before it is in the archive; a fetched copy verifies, too."""
    remote = Remote(str(tmp_path / "copy"))
    request = replace(
        load_request(emulator, tmp_path / "data", NOW),
        timestamp_authority=TimestampAuthority(authority.url),
        remote=remote,
    )
    report = run_load(request)
    assert report.exit_code is ExitCode.DONE
    assert report.timestamp is not None
    assert report.timestamp.at is not None
    options = VerifyOptions(timestamp_trust=TimestampTrust([authority.certificates.ca]))
    assert verify(DataDir(tmp_path / "data"), options).findings == []
    restored = DataDir(tmp_path / "restored")
    fetch_entries(restored, remote)
    assert verify_archive(Archive(restored.archive), options).findings == []


def stamped_in(metrics: Path) -> list[str]:
    """Return what a metrics file says about the last load."""
    series = r"^gaussdb_tasks_last_load_timestamped\{.*\} ([01])\.0$"
    return re.findall(series, metrics.read_text(), re.MULTILINE)


def test_a_load_without_a_time_stamp_is_done(
    tmp_path: Path, emulator: Emulator, authority: Authority, command: Command
) -> None:
    """It is a remark, in JSON and in the metrics; the next time stamp covers the entry."""
    url = authority.url.replace("http://", "http://user:s3cret@")
    metrics = tmp_path / "load.prom"
    arguments = (
        *("load", "--region", "eu-de", "--now", iso(NOW), "--data-dir", tmp_path / "data"),
        *("--metrics-file", metrics, "--format", "json"),
    )
    env = {**token_env(emulator, PROJECT), "GAUSSDB_TASKS_TIMESTAMP_URL": url}
    authority.behaviour = "error"
    run = command(*arguments, env=env)
    assert run.exit_code == 0, run.stderr
    assert "timestamp: http://***@127.0.0.1" in run.stderr
    assert "status 500" in json.loads(run.stdout)["timestamp"]["error"]
    assert stamped_in(metrics) == ["0"]
    authority.behaviour = "good"
    second = command(*arguments, env=env)
    assert second.exit_code == 0, second.stderr
    stamp = json.loads(second.stdout)["timestamp"]
    assert (stamp["authority"], stamp["error"]) == ("CN=good", None)
    assert stamped_in(metrics) == ["1"]
    check = ("verify", "--data-dir", tmp_path / "data", "--format", "json", "--timestamp-ca")
    checked = command(*check, authority.certificates.ca)
    assert checked.exit_code == 0, checked.stderr
    assert json.loads(checked.stdout)["timestamps"] == [
        {"first": 1, "last": 2, "at": stamp["at"], "authority": "CN=good"}
    ]
    assert "entries 1 to 2 existed at" in checked.stderr
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert not any(b"s3cret" in path.read_bytes() for path in files)
    assert "s3cret" not in run.stdout + run.stderr + second.stdout + second.stderr


def test_the_url_is_masked_and_scheduled(command: Command) -> None:
    """config masks its credentials; schedule passes it on, and refuses credentials."""
    secret = "https://user:s3cret@timestamp.example/tsr"
    assert "s3cret" not in command("config", "load", "--timestamp-url", secret).stdout
    refused = command("schedule", "cron", "--timestamp-url", secret)
    assert refused.exit_code == 2
    assert "s3cret" not in refused.stderr
    plain = "https://timestamp.example/tsr"
    assert (
        f"--timestamp-url {plain}" in command("schedule", "cron", "--timestamp-url", plain).stdout
    )
