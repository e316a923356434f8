"""Sign-in: from the user's settings to an authenticated identity for each project."""
