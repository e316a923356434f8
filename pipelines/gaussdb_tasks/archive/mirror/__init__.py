"""The mirror: a copy of the archive in another folder or bucket."""
