"""The database is compared with the files while these are read; only equality is concluded."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

from gaussdb_tasks.archive.archive_tables import APPENDED, ArchiveTable, table_sql
from gaussdb_tasks.archive.canonical import FORM, read_forms
from gaussdb_tasks.archive.current_rows import current_rows
from gaussdb_tasks.archive.file_queries import open_for_files
from gaussdb_tasks.archive.store import Archive, ChainEntry
from gaussdb_tasks.archive.verification import verify as verify_module
from gaussdb_tasks.archive.verification.findings import Verification
from gaussdb_tasks.archive.verification.stored_rows import StoredRows
from gaussdb_tasks.archive.verification.verify import verify
from gaussdb_tasks.archive.verification.verify_files import VerifyOptions, verify_archive
from gaussdb_tasks.database.data_dir import DataDir
from gaussdb_tasks.model.tables import Column
from tests.support.attached_copy import attached_copy
from tests.support.verified_database import FAST, FULL, edit, edited, findings
