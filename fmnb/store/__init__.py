"""What outlives a kernel: the log, the cache, tapes, feedback, batch state.

Start here if a run is missing from the log.

- `db`: the SQLite file: opening, schema, migrations, transactions
- `log_sink`: writes runs to the log
- `run_rows`: a run as a row of the log: columns and SQL
- `log`: reads runs; enables and disables the log
- `log_query`: `fm.log`: filters, and opening a run again
- `search`: the log page by page
- `retention`: deletes runs by age or on request
- `event_reader`: stored events, read defensively
- `cache`: answers of deterministic calls
- `tape`: JSONL recordings beside a notebook
- `feedback`: votes, stars, edits and other feedback as events
- `batches`: rows of batches, and what a resumed batch needs
- `inbox`: finished rows, written before they become runs
- `leases`: rows that a batch has claimed across kernels
- `processes`: which process owns something, and whether it is alive
- `jobs`: open batch jobs at services
- `media`: large images and videos as files
- `index_file`: the SQLite file of an index over documents
- `vectors`: cached embeddings
"""
