"""The archive: each load as Parquet files and a manifest, in a chain that reveals any change.

README.md in this folder specifies the files, and how to check them without this program.
"""
