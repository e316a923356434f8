"""The archive: every night as plain Parquet beside a digest, chained so that any change shows.

README.md beside this file says what lies where and how to check it without this program.
"""
