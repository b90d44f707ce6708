"""Tables and databases, asked with SQL.

A query is one SELECT over the named tables. It is checked before it runs, and the database is
locked before anything runs in it.

- `tables`: `fm.Tables` and `fm.sql`
- `frames_source`: frames of the notebook as a source
- `ask`: from a question to a query, with one repair
- `card`: what a model is told about the tables
- `answer`: the query, its rows, and both as a cell
- `engine`: what answers queries, as a protocol
- `duckdb_engine`: frames and files in a locked DuckDB, or a DuckDB file
- `databases`: a database of the user's own, by what its name says
- `sqlite_engine`: a SQLite file, read-only, with its authorizer
- `sqlalchemy_engine`: PostgreSQL and others, in read-only transactions
- `frames`: frames of every kind in and out of DuckDB
- `files`: files as tables
- `gate`: refuses what is not one SELECT over the named tables
- `duckdb_tree`: DuckDB's own reading of a query, checked
- `functions`: which functions a query may call
- `watch`: time and memory limits of a query
"""
