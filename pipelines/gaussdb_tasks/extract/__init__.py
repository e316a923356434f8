"""Reading a project whole: pages, windows, and the proof that nothing is missing."""
