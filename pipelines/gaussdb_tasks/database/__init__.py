"""The database on this side: the SQL that makes its views and checks its data."""
