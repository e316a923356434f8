"""``gaussdb-tasks keys rotate``: hand over from the signing key to a new one."""

from pathlib import Path

import click

from gaussdb_tasks.archive.amendments.amendment import Amendment
from gaussdb_tasks.archive.amendments.rotation import rotate
from gaussdb_tasks.archive.signing import KeySigner, read_new_key
from gaussdb_tasks.cli import console
from gaussdb_tasks.cli.data_dir_options import data_dir_option
from gaussdb_tasks.cli.options import FILE, option, umask_option
from gaussdb_tasks.cli.time_options import now_option
from gaussdb_tasks.database.data_dir import DataDir
from gaussdb_tasks.errors import ConfigurationError
from gaussdb_tasks.model.times import Micros
from gaussdb_tasks.model.times import now as machine_clock


@click.command("rotate")
@data_dir_option
@option(
    "--signing-key",
    required=True,
    type=FILE,
    help="Private key that signs the entry: the old one, or with --lost-key the new one.",
)
@option("--new-key", type=FILE, help="Private or public key in PEM that signs from now on.")
@option("--lost-key", is_flag=True, help="The old key is lost: --signing-key is the new one.")
@option("--reason", metavar="TEXT", help="Reason, kept in the archive; required with --lost-key.")
@now_option
@umask_option
def command(  # noqa: PLR0913 - one parameter an option
    *,
    data_dir: Path,
    signing_key: Path,
    new_key: Path | None,
    lost_key: bool,
    reason: str | None,
    now: Micros | None,
) -> None:
    """Hand over from the signing key to a new one.

    Adds an entry to the archive that names the new key. The old key signs it, and signs nothing
    afterwards. `verify` then needs the first public key only.

    If the old key is lost, the new key signs the entry. `verify` accepts it only with
    `--public-key` of the new key, and always says so. The chain is signed again from there on, even
    if earlier signatures do not hold; `verify` still reports those.

    \b
    Examples:
      gaussdb-tasks keys rotate --signing-key old.pem --new-key new.pem
      gaussdb-tasks keys rotate --signing-key new.pem --lost-key --reason "disk lost, ticket 4711"
    """
    if lost_key == (new_key is not None):
        message = "give either --new-key FILE, or --lost-key if the old key cannot sign any more"
        raise ConfigurationError(message)
    if lost_key and not reason:
        message = "--lost-key needs --reason TEXT: the archive keeps why the old key cannot sign"
        raise ConfigurationError(message)
    signer = KeySigner(signing_key)
    public_key = None if new_key is None else read_new_key(new_key)
    amendment = Amendment("rotation", machine_clock() if now is None else now, reason)
    report = rotate(DataDir(data_dir), amendment, signer, public_key)
    next_key = signing_key if new_key is None else new_key
    console.info(
        f"entry {report.entry_name}; head {report.head_digest}; sign the next load with the "
        f"private key of {next_key}"
    )
