"""Rotation: a new key signs from here on, handed over by the old one, or in place of a lost one."""

from dataclasses import replace

from gaussdb_tasks.archive.amendments.amendment import (
    Amendment,
    AmendmentReport,
    write_amendment,
)
from gaussdb_tasks.archive.amendments.opening import open_context
from gaussdb_tasks.archive.manifest import Handover, sha256
from gaussdb_tasks.archive.signer_check import current_key
from gaussdb_tasks.archive.signing import KeySigner
from gaussdb_tasks.database.data_dir import DataDir
from gaussdb_tasks.errors import ConfigurationError


def rotate(
    data_dir: DataDir, amendment: Amendment, signer: KeySigner, new_key: bytes | None
) -> AmendmentReport:
    """Write an entry that hands over to a new key.

    The signer has the old key, and the new one is given as the 32 bytes of its public half. If the
    old key is lost, the signer has the new one, and none is given.

    Raises:
        ConfigurationError: the chain is not signed, or the new key has signed before.
        ArchiveError: the archive is damaged, or its signatures do not hold.
    """
    with open_context(data_dir) as context:
        old_key = current_key(context.chain)
        if old_key is None:
            message = "the archive is not signed; sign its next entry with: load --signing-key FILE"
            raise ConfigurationError(message)
        handover = Handover(
            old_key=old_key,
            old_public_key=None if new_key is None else signer.public_key.hex(),
            new_key=sha256(new_key or signer.public_key),
            new_public_key=(new_key or signer.public_key).hex(),
            is_old_key_lost=new_key is None,
        )
        if any(handover.new_key == entry.manifest.signed_by for entry in context.chain):
            message = "the new key has signed entries of this archive before; create another key"
            raise ConfigurationError(message)
        signed = replace(amendment, signer=signer, handover=handover)
        return write_amendment(data_dir, context, signed, [], is_removing=False)
