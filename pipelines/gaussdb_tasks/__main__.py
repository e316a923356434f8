"""Run the command line as ``python -m gaussdb_tasks``."""

from gaussdb_tasks.cli import main

if __name__ == "__main__":
    main()
