"""Read projects completely: pages, windows, and the proof that no task is missing."""
