"""The DuckDB database: open it, load into it, make its views, check and query its data."""
