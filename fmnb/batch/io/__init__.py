"""Tables in and out of a batch.

- `tables`: any table in memory: rows in, columns out
- `files`: tables in files, read in chunks
- `formats`: Parquet, CSV and JSONL: column types, such as a CSV column read as a number, and reading
- `parts`: tables larger than memory, written in parts
"""
