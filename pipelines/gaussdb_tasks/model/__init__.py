"""Values that all parts of the package share: times, tasks, records, tables. Pure."""
