"""Tests of gaussdb-tasks; the folders mirror the package."""
