"""Copies of the archive in another folder or bucket."""
