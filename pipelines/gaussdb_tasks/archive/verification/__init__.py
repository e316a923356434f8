"""Verification: what an archive, a copy and a database must be, and findings for all else."""
