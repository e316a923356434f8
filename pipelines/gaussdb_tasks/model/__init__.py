"""Values every part of the program shares: times, tasks, records, tables. Pure."""
