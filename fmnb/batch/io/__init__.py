"""Tables in and out of a batch.

- `tables`: any table in memory: rows in, columns out
- `files`: tables in files, read in chunks
- `formats`: Parquet, CSV and JSONL: types of columns, reading. A CSV column read as a number is here
- `parts`: tables larger than memory, written in parts
"""
