"""Recorded changes to earlier entries: redaction, retention, renormalisation, rotation."""
