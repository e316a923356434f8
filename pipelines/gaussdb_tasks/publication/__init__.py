"""Publish the archive to a catalogue that many can read: a lake or a server."""
